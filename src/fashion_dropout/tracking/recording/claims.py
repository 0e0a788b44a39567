"""Which program runs a cell of a study, where several do, on one machine or many.

The run of a cell is the claim to it: RUNNING from the moment at which the store has it, with the
tags that name the cell and the process. Whoever has made one looks for others then, and keeps the
cell only if there are none. Of two runs, whoever made the later one sees the earlier one; so no two
keep the cell, and no clock is read. That both give way is possible: then both try again.

A run whose process was killed says RUNNING, too. On its own machine that is seen at once
(`processes.has_died`), on others by what it sends: as long as it lives, it sends the use of its
machine several times a minute.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import mlflow
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_USER

from fashion_dropout.config.cell import cell_name
from fashion_dropout.errors import ClaimedError
from fashion_dropout.escapes import visible
from fashion_dropout.tracking.recording.processes import HOST, PID, has_died
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.finished import missing_parts
from fashion_dropout.tracking.store.search import find_runs, having, with_models

_LOOKS, _PAUSE_SECONDS = 20, 0.5


@dataclass(frozen=True)
class Claim:
    """A cell of a study, as its runs are tagged, and who wants it.

    Attributes:
        study: The study's key, which covers the parameters of its regimes.
        cell: Its name, as the tag of its runs has it; empty in a journal of before all had one.
        code: The digest of the training code.
        dataset: The digest of the dataset.
        session: The call of ``compare``. Its scheduler gives a cell to one worker at a time, so
            that another run of the same session is one whose worker is gone.
    """

    experiment_id: str
    study: str
    regime: str
    seed: str
    code: str
    dataset: str
    session: str
    cell: str = ""

    def is_finished_by(self, run: Run) -> bool:
        """Whether a run is all that is wanted of the cell."""
        made = (run.data.tags.get(tags.TRAINING_CODE), run.data.tags.get(tags.DATASET_SHA256))
        as_wanted = run.info.status == "FINISHED" and made == (self.code, self.dataset)
        return as_wanted and not missing_parts(run)


@asks_mlflow()
def finished_cell(claim: Claim) -> Run | None:
    """The finished run of a cell, by whomever; None if there is none and nobody else runs it.

    Raises:
        ClaimedError: Another program runs it.
    """
    found = _runs_of(mlflow.MlflowClient(), claim)
    finished = [run for run in found if claim.is_finished_by(run)]
    if not finished and (others := [run for run in found if _may_live(run, claim.session)]):
        raise _claimed(claim, others[0])
    return finished[0] if finished else None


def hold(claim: Claim, run_id: str) -> None:
    """Make sure that a run which the store has as RUNNING is the only one of its cell.

    Of several that find each other, the one with the smallest id stays until the others are gone.

    Raises:
        ClaimedError: Another program runs the cell, or has just finished it; the run must end.
    """
    for _ in range(_LOOKS):
        if not (others := _others(claim, run_id)):
            return
        if any(run.info.status != "RUNNING" or run.info.run_id < run_id for run in others):
            break
        time.sleep(_PAUSE_SECONDS)
    raise _claimed(claim, others[0])


def first_finished(
    client: mlflow.MlflowClient, recorded: dict[str, str] | None, run_id: str
) -> str:
    """The id of a run that has finished the cell of a run before it; empty if there is none. The
    claim to it is `recorded` as a journal has it; None for a run that is of no cell.
    """
    if recorded is None:
        return ""
    claim = Claim(**recorded)
    found = (run for run in _runs_of(client, claim) if run.info.run_id != run_id)
    return next((str(run.info.run_id) for run in found if claim.is_finished_by(run)), "")


@asks_mlflow()
def running_elsewhere(experiment_id: str, study: str, session: str) -> dict[str, Run]:
    """Name of the cell → its run, of the cells of a study that other sessions run or may run."""
    wanted = having({tags.STUDY: study, tags.ROLE: tags.RUN}, "attributes.status = 'RUNNING'")
    return {
        _cell_of(run.data.tags): run
        for run in find_runs(wanted, experiment_id)
        if _may_live(run, session)
    }


def _cell_of(recorded: Mapping[str, str]) -> str:
    """The name of the cell that a run is of, from its tags."""
    return recorded.get(tags.CELL) or cell_name(recorded[tags.REGIME], int(recorded[tags.SEED]))


def owner(run: Run) -> str:
    """Whose a run is: the user and the machine."""
    recorded = run.data.tags
    return visible(f"{recorded.get(MLFLOW_USER, 'somebody')}@{recorded.get(HOST, 'somewhere')}")


def pulse(run: Run) -> frozenset[tuple[str, int, int]]:
    """What changes as long as the process of a run records something.

    Steps count on whatever the clocks of two machines say.
    """
    recorded = run.data._metric_objs
    return frozenset((metric.key, metric.step, metric.timestamp) for metric in recorded)


@asks_mlflow()
def _others(claim: Claim, run_id: str) -> list[Run]:
    """The other runs because of which one must give way or wait, the smallest id first."""
    found = _runs_of(mlflow.MlflowClient(), claim)
    others = [
        run
        for run in found
        if run.info.run_id != run_id
        and (claim.is_finished_by(run) or _may_live(run, claim.session))
    ]
    return sorted(others, key=lambda run: str(run.info.run_id))


def _runs_of(client: mlflow.MlflowClient, claim: Claim) -> list[Run]:
    """The runs of a cell that have finished or may go on.

    They are asked for by one tag: for each tag MLflow goes through those of all runs. Cells of
    other studies may have the same name.
    """
    cell = claim.cell or cell_name(claim.regime, int(claim.seed))
    ended = [f"attributes.status != '{status}'" for status in ("KILLED", "FAILED")]
    wanted = having({tags.CELL: cell}, *ended)
    found = find_runs(wanted, claim.experiment_id, newest_first=True, client=client)
    of_study = (run for run in found if run.data.tags.get(tags.STUDY) == claim.study)
    return with_models(of_study, client)


def _may_live(run: Run, session: str) -> bool:
    """Whether a run goes on, as far as can be seen from here, and not for this session."""
    recorded = run.data.tags
    return bool(
        run.info.status == "RUNNING"
        and recorded.get(tags.SESSION) != session
        and not (PID in recorded and has_died(recorded))
    )


def _claimed(claim: Claim, run: Run) -> ClaimedError:
    return ClaimedError(
        f"expected no other program to run {_cell_of(run.data.tags)} of the study, "
        f"received run {run.info.run_id} of {owner(run)}; wait for its end, or stop it"
    )
