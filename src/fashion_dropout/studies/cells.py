"""Which cells of a study have been run already, for this study, for another one, or alone."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities import Run

from fashion_dropout import provenance
from fashion_dropout.config.cell import Cell
from fashion_dropout.config.study import Study
from fashion_dropout.config.training import TrainingConfig, recorded_config
from fashion_dropout.errors import UsageError
from fashion_dropout.sameness import NOTHING, changes
from fashion_dropout.texts import Count
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store import tags

TAKEN_OVER_FILE = "taken_over.json"
"""An artifact of the study's run: the finished runs that it has not run itself, by cell."""


@dataclass(frozen=True)
class FinishedCells:
    """The cells of a study that need not be run.

    Attributes:
        own: Cell → the id of its run, which carries the study's key.
        taken_over: Cell → the id of a run that was made for another study, or for none.
        studies: The studies that the runs of `taken_over` were made for; single runs have none.
    """

    own: dict[str, str]
    taken_over: dict[str, str]
    studies: tuple[str, ...]

    def missing(self, study: Study) -> list[Cell]:
        """The cells that are still to be run."""
        finished = self.own.keys() | self.taken_over.keys()
        return [cell for cell in study.cells() if cell.name not in finished]

    @property
    def sentence(self) -> str:
        """What is taken over, for a person."""
        origin = ", ".join(self.studies) or "single runs"
        return (
            f"{Count(len(self.taken_over)):cell has|cells have} been run for {origin}: taken over "
            "(--fresh runs all again)"
        )


def finished_cells(study: Study, experiment_id: str, dataset_sha256: str) -> FinishedCells:
    """Find the finished runs of a study's cells among all training runs of its experiment.

    A cell is known by what decides its bits: its configuration, the dataset, the training code,
    and its regime's name, by which MLflow's pages group it. On which kernels it was computed is
    compared when the study is concluded.

    Raises:
        UsageError: A cell of this study has finished runs only of other training code.
    """
    wanted: dict[tuple[str, TrainingConfig | None], str] = {
        (cell.regime, cell.config): cell.name for cell in study.cells()
    }
    key, code = study.key, {tags.TRAINING_CODE: provenance.training_code_sha256()}
    own: dict[str, str] = {}
    others: dict[str, tuple[str, str]] = {}
    stale: dict[str, str] = {}
    found = queries.finished_runs(experiment_id, dataset_sha256, lambda run: _place(run) in wanted)
    for run in found:  # the newest last
        recorded = run.data.tags
        name, differing = wanted[_place(run)], changes(recorded, code, code)
        if differing:
            if recorded.get(tags.STUDY) == key:  # a run of another study is only not taken over
                stale[name] = differing[0].then
        elif recorded.get(tags.STUDY) == key:
            own[name] = run.info.run_id
        else:
            others[name] = (run.info.run_id, recorded.get(tags.STUDY, ""))
    if outdated := sorted(stale.keys() - own.keys() - others.keys()):
        then = stale[outdated[0]]
        raise UsageError(
            f"expected cells that were trained by this training code, {_short(*code.values())}, "
            f"received {Count(len(outdated)):cell|cells} of {_short(then)} ({outdated[0]} …): "
            "their bits may differ; run the study with --fresh"
        )
    taken = {name: origin for name, origin in others.items() if name not in own}
    return FinishedCells(
        own,
        {name: run_id for name, (run_id, _) in taken.items()},
        tuple(sorted({origin for _, origin in taken.values()} - {""})),
    )


def _place(run: Run) -> tuple[str, TrainingConfig | None]:
    """Regime and configuration of a run; None for one that this version does not understand."""
    regime = run.data.tags.get(tags.REGIME, "")
    try:
        return regime, recorded_config(run.data.params)
    except UsageError:
        return regime, None


def _short(digest: str) -> str:
    return "code that is not recorded" if digest == NOTHING else digest[:12]
