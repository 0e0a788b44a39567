"""Whether a command begins a run, continues an interrupted one, or finds it finished."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities import Run

from fashion_dropout.errors import UsageError
from fashion_dropout.learning.checkpoint import Checkpoint
from fashion_dropout.progress import Display
from fashion_dropout.runs.identity import Identity
from fashion_dropout.runs.request import RunRequest, Surroundings
from fashion_dropout.runs.run_folder import RunFolder
from fashion_dropout.tracking.recording import previous
from fashion_dropout.tracking.recording.claims import finished_cell
from fashion_dropout.tracking.recording.launched import launched_run_id, usable_launched_run
from fashion_dropout.tracking.recording.opening import Place
from fashion_dropout.tracking.store import tags


@dataclass(frozen=True)
class Beginning:
    """From where a run is trained.

    Attributes:
        run_id: The run to continue; None for a new one, or the one that ``mlflow run`` has made.
        checkpoint: The state to go on from; None for the first epoch.
        replaces: The interrupted run whose work another run takes over; None for none.
    """

    run_id: str | None = None
    checkpoint: Checkpoint | None = None
    replaces: str | None = None

    @property
    def epoch(self) -> int:
        """How many epochs have ended."""
        return self.checkpoint.epoch if self.checkpoint else 0


def nothing_left(
    request: RunRequest, surroundings: Surroundings, folder: RunFolder, display: Display
) -> Run | None:
    """A finished run of the same command, to the bit what it would give again.

    What is kept of it is removed, and the display is told. Under ``mlflow run`` there is none:
    MLflow has made a run, which is to be trained. Of a fresh request, only a run of the same
    session counts: a cell is run again when its worker was killed. Of a study's cell, any finished
    run counts, whatever kernels it was computed with; the study's verdict names them.

    Raises:
        ClaimedError: Another program runs the same cell of the study.
    """
    if launched_run_id() or (request.fresh and not request.session):
        return None
    if claim := surroundings.claim(request):
        before = finished_cell(claim)
    else:
        session = {tags.SESSION: request.session} if request.fresh else {}
        wanted = _tags(folder.identity) | session
        before = previous.finished_run(surroundings.place.experiment_id, wanted)
    if before is not None:
        folder.remove()
        display.note(
            f"run {before.info.run_id} has finished with these parameters: nothing is trained "
            "again (--fresh trains it again)"
        )
    return before


def beginning(request: RunRequest, place: Place, folder: RunFolder, display: Display) -> Beginning:
    """From where to train: the last whole checkpoint, unless the user wants to start over.

    The display is told what is continued.

    Raises:
        CheckpointError: The run was begun under other conditions, or no checkpoint is whole.
        UsageError: The wanted run is not in this store, or ``MLFLOW_RUN_ID`` names one that this
            command must not touch.
    """
    before, launched = folder.interrupted, launched_run_id()
    if before is None or before.run_id != launched:
        usable_launched_run(_tags(folder.identity))  # refuses one that is left over
    session = request.session
    again = before is not None and session and before.study_tags.get(tags.SESSION) == session
    if before is not None and request.fresh and not again:
        previous.give_up(before.run_id, "started over with --fresh")
        folder.remove()
        return Beginning()
    if before is not None and previous.unfinished_run(before.run_id) is None:
        display.note(f"run {before.run_id} was interrupted and is gone from the store: a new run")
        folder.remove()
        before = None
    if request.resume is not None and (before is None or before.run_id != request.resume):
        raise UsageError(
            f"expected run {request.resume} in this store and experiment, received none; set "
            "MLFLOW_TRACKING_URI, or `mlflow run --experiment-name`, as when it was begun"
        )
    if before is None:
        if launched or request.fresh:
            return Beginning()
        dead = previous.dead_run_without_epochs(place.experiment_id, _tags(folder.identity))
        return Beginning(dead.info.run_id if dead else None)
    folder.check()
    found, damaged = folder.newest()
    start = Beginning(before.run_id, found)
    for error in damaged:
        display.note(f"{error}; going on from the one before")
    if launched and launched != before.run_id:
        display.note(f"taking over from run {before.run_id}, interrupted after epoch {start.epoch}")
        return Beginning(None, found, before.run_id)
    display.note(
        f"continuing run {before.run_id} after epoch {start.epoch} of {request.config.epochs}"
    )
    return start


def _tags(identity: Identity) -> dict[str, str]:
    """The tags that tell a run of the same command, under the same conditions."""
    return {
        tags.ROLE: tags.RUN,
        tags.BITS_SHA256: identity.bits,
        tags.REGIME: identity.regime,
        tags.STUDY: identity.study,
    }
