"""Whether a command begins a run, continues an interrupted one, or finds it finished."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities import Run

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import UsageError
from fashion_dropout.learning.checkpoint import Checkpoint
from fashion_dropout.progress import Display
from fashion_dropout.runs.identity import Identity
from fashion_dropout.runs.run_folder import RunFolder
from fashion_dropout.tracking.recording import previous
from fashion_dropout.tracking.recording.launched import launched_run_id
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


def finished_before(
    folder: RunFolder, experiment_id: str, session: str, *, fresh: bool
) -> Run | None:
    """A finished run of the same command, to the bit what it would give again.

    Under ``mlflow run`` there is none: MLflow has made a run, which is to be trained. With `fresh`,
    only a run of the same session counts: a cell is run again when its worker was killed.

    Args:
        folder: The folder of the run.
        experiment_id: Where to look.
        session: The tag ``study.session``; empty outside of a study.
        fresh: Whether the user wants it trained again.
    """
    if launched_run_id() or (fresh and not session):
        return None
    known = _tags(folder.identity) | ({tags.SESSION: session} if fresh else {})
    return previous.finished_run(experiment_id, known)


def nothing_left(
    folder: RunFolder, experiment_id: str, session: str, display: Display, fresh: bool
) -> Run | None:
    """As `finished_before`; what is kept of it is removed, and the display is told."""
    before = finished_before(folder, experiment_id, session, fresh=fresh)
    if before is not None:
        folder.remove()
        display.note(
            f"run {before.info.run_id} has finished with these parameters: nothing is trained "
            "again (--fresh trains it again)"
        )
    return before


def beginning(
    folder: RunFolder,
    experiment_id: str,
    config: TrainingConfig,
    display: Display,
    session: str,
    *,
    fresh: bool,
    wanted: str | None,
) -> Beginning:
    """From where to train: the last whole checkpoint, unless the user wants to start over.

    Args:
        folder: The folder of the run.
        experiment_id: Where to look.
        config: The parameters.
        display: Told what is continued.
        session: The tag ``study.session``; empty outside of a study.
        fresh: Whether to start over.
        wanted: The id of the run that the user wants to continue; None for whichever there is.

    Raises:
        CheckpointError: The run was begun under other conditions, or no checkpoint is whole.
        UsageError: The wanted run is not in this store, or ``MLFLOW_RUN_ID`` names one that this
            command must not touch.
    """
    before, launched = folder.interrupted, launched_run_id()
    if before is None or before.run_id != launched:
        previous.check_launched_run(_tags(folder.identity))
    again = before is not None and session and before.study_tags.get(tags.SESSION) == session
    if before is not None and fresh and not again:
        previous.give_up(before.run_id, "started over with --fresh")
        folder.remove()
        return Beginning()
    if before is not None and previous.unfinished_run(before.run_id) is None:
        display.note(f"run {before.run_id} was interrupted and is gone from the store: a new run")
        folder.remove()
        before = None
    if wanted is not None and (before is None or before.run_id != wanted):
        raise UsageError(
            f"expected run {wanted} in this store and experiment, received none; set "
            "MLFLOW_TRACKING_URI or --experiment-name as when it was begun"
        )
    if before is None:
        if launched or fresh:
            return Beginning()
        dead = previous.dead_run_without_epochs(experiment_id, _tags(folder.identity))
        return Beginning(dead.info.run_id if dead else None)
    folder.check()
    found, damaged = folder.newest()
    start = Beginning(before.run_id, found)
    for error in damaged:
        display.note(f"{error}; going on from the one before")
    if launched and launched != before.run_id:
        display.note(f"taking over from run {before.run_id}, interrupted after epoch {start.epoch}")
        return Beginning(None, found, before.run_id)
    display.note(f"continuing run {before.run_id} after epoch {start.epoch} of {config.epochs}")
    return start


def _tags(identity: Identity) -> dict[str, str]:
    """The tags that tell a run of the same command, under the same conditions."""
    return {
        tags.ROLE: tags.RUN,
        tags.BITS_SHA256: identity.bits,
        tags.REGIME: identity.regime,
        tags.STUDY: identity.study,
    }
