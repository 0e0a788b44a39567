"""The candidate of a study: the run whose model may become the champion, and its description."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mlflow.entities import Run

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.sentences import sentence
from fashion_dropout.config.training import TrainingConfig, recorded_config
from fashion_dropout.promotion import selection
from fashion_dropout.promotion.selection import Choice
from fashion_dropout.studies.read import read_finished
from fashion_dropout.texts import Count, Language, texts
from fashion_dropout.tracking.models import registry
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store import tags

STORED_MODEL_METRICS = {
    "best": ("best/val_loss", "best/val_accuracy"),
    "last": ("val/loss", "val/accuracy", "gap/loss"),
}
"""Value of the parameter `select` → validation metrics of the stored model, its loss first."""

TEST_METRICS = ("test/accuracy", "test/nll", "test/ece", "test/f1_macro")


@dataclass(frozen=True)
class Candidate:
    """The run of a study whose model may become the champion.

    Attributes:
        choice: The regime that was chosen, and why.
        metric: The validation loss of the stored models, which ranked the runs.
        run: The median run of the regime.
    """

    record: StudyRecord
    comparison: Comparison
    choice: Choice
    metric: str
    run: Run

    @cached_property
    def config(self) -> TrainingConfig:
        """The configuration of the run."""
        return recorded_config(self.run.data.params)

    @cached_property
    def model_id(self) -> str:
        """The id of the model that the run has logged."""
        return registry.model_of(self.run)

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the metrics that describe the stored model."""
        return (*STORED_MODEL_METRICS[self.config.select], *TEST_METRICS)

    def verdicts(self, language: Language = "en", *, advice: bool = True) -> list[str]:
        """The verdicts of the study in words, the one about the candidate's regime first."""
        own = self.choice.regime
        ranked = sorted(self.comparison.verdicts, key=lambda of: of.difference.regime != own)
        return [sentence(verdict, self.record.rule, language, advice=advice) for verdict in ranked]

    @property
    def text(self) -> str:
        """Which run it is and why, for a person."""
        runs = int((self.record.runs["regime"] == self.choice.regime).sum())
        lines = (
            f"verdict: {' '.join(self.verdicts())}",
            self.choice.sentence(),
            texts("en")["candidate"]["median"].format(n=Count(runs), metric=self.metric),
        )
        return f"candidate: {self.run.info.run_name}, run {self.run.info.run_id}\n" + "\n".join(
            f"  {line}" for line in lines
        )

    @cached_property
    def version_tags(self) -> dict[str, str]:
        """What a version of the model says about where it comes from."""
        return {
            tags.STUDY: self.record.key,
            tags.STUDY_RUN_ID: self.record.run_id,
            tags.REGIME: self.choice.regime,
            tags.SEED: str(self.config.seed),
            tags.DATASET: self.config.dataset,
            tags.DATASET_SHA256: self.run.data.tags[tags.DATASET_SHA256],
            tags.VERDICT: " ".join(self.verdicts()),
            **{name: f"{self.run.data.metrics[name]:.6g}" for name in self.figures},
        }


def read_candidate(study: str) -> Candidate | None:
    """The candidate of a finished study, by the id of its own run; None if the verdict names no
    regime and the study declares that there is no candidate then.

    Raises:
        UsageError: There is no such study, or it is not finished.
    """
    record = read_finished(study)
    comparison = record.compare()
    choice = selection.choose_regime(comparison, record.regimes, record.undecided)
    if choice is None:
        return None
    select = {**record.common, **record.regimes[choice.regime]}["select"]
    metric = STORED_MODEL_METRICS[select][0]
    run_id = selection.median_run(record.runs, choice.regime, metric)
    return Candidate(record, comparison, choice, metric, queries.get_run(run_id))
