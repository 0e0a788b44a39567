"""The run that a study offers for promotion, and what is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mlflow.entities import Run

from fashion_dropout.comparison import candidate
from fashion_dropout.comparison.candidate import Choice
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.texts import Language
from fashion_dropout.comparison.verdict import Comparison, sentence
from fashion_dropout.config import TrainingConfig
from fashion_dropout.errors import UsageError
from fashion_dropout.study_record import read_record
from fashion_dropout.tracking import queries, registry
from fashion_dropout.tracking.registry import Candidate
from fashion_dropout.verify import recorded_config

OF_THE_STORED_MODEL = {
    "best": ("best/val_loss", "best/val_accuracy"),
    "last": ("val/loss", "val/accuracy", "gap/loss"),
}
"""Which of a run's validation figures are those of the stored model, by the parameter `select`;
the first is its loss.
"""
TESTED = ("test/accuracy", "test/nll", "test/ece", "test/f1_macro")


@dataclass(frozen=True)
class Offer:
    """The run that a study offers.

    Attributes:
        record: The study.
        comparison: Of its runs.
        choice: The regime, and why.
        metric: The validation loss of the stored models, by which the run was chosen.
        run: The run in the middle of the regime's runs.
    """

    record: StudyRecord
    comparison: Comparison
    choice: Choice
    metric: str
    run: Run

    @cached_property
    def config(self) -> TrainingConfig:
        """What the run was told."""
        return recorded_config(self.run.data.params)

    @cached_property
    def model_id(self) -> str:
        """Of its logged model."""
        return registry.model_of(self.run)

    def verdicts(self, language: Language = "en") -> list[str]:
        """The study's verdicts, that on this regime first."""
        own = self.choice.regime
        ranked = sorted(self.comparison.verdicts, key=lambda one: one.difference.regime != own)
        return [sentence(one, self.record.rule, language) for one in ranked]

    @property
    def text(self) -> str:
        """Which run it is and why, for a person."""
        why = candidate.offered(self.choice, self.record.runs, self.metric, "en")
        lines = (f"verdict: {' '.join(self.verdicts())}", *why)
        return f"candidate: {self.run.info.run_name}, run {self.run.info.run_id}\n" + "\n".join(
            f"  {line}" for line in lines
        )

    def candidate(self) -> Candidate:
        """What a version of its model is registered with."""
        figures = {
            name: f"{self.run.data.metrics[name]:.6g}"
            for name in (*OF_THE_STORED_MODEL[self.config.select], *TESTED)
        }
        return Candidate(
            self.model_id,
            self.run.info.run_id,
            {
                "study": self.record.key,
                "study.run": self.record.run_id,
                "regime": self.choice.regime,
                "seed": str(self.config.seed),
                "dataset": self.config.dataset,
                "dataset.sha256": self.run.data.tags["dataset.sha256"],
                "verdict": " ".join(self.verdicts()),
                **figures,
            },
        )


def read_offer(study: str) -> Offer | None:
    """The run that a finished study offers; None if it declares that there is none.

    Args:
        study: The study's own run.

    Raises:
        UsageError: There is no such study, or it is not finished.
    """
    run = queries.study_run(study)
    record = read_record(study)
    unfinished = int((record.cells["state"] != "FINISHED").sum())
    if run.info.status != "FINISHED" or unfinished:
        raise UsageError(
            f"expected a finished study, received {study} with the status {run.info.status} and "
            f"{unfinished} of {len(record.cells)} cells without a finished run; run `compare` "
            "again and give the id that it prints"
        )
    comparison = record.compare()
    choice = candidate.choose_regime(comparison, record.regimes, record.undecided)
    if choice is None:
        return None
    select = {**record.common, **record.regimes[choice.regime]}["select"]
    metric = OF_THE_STORED_MODEL[select][0]
    row = candidate.median_run(record.runs, choice.regime, metric)
    return Offer(record, comparison, choice, metric, queries.get_run(row["run_id"]))
