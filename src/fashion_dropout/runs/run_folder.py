"""The folder of a run that has not finished: who it is, who trains it, and its checkpoints.

It stands in the state folder under a name that derives from what was asked for, so that the same
command finds it again. One process at a time has it; the death of that process releases it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from fashion_dropout.errors import CheckpointError, ClaimedError
from fashion_dropout.learning import checkpoint
from fashion_dropout.learning.checkpoint import Arrays, Checkpoint
from fashion_dropout.runs.identity import Identity
from fashion_dropout.runs.interrupted import RECORD, UnfinishedRun, folder_of_runs, read_unfinished
from fashion_dropout.sameness import changes
from fashion_dropout.state import write_durably

_LOCK_SECONDS = 5  # a killed process needs a moment until it is gone


class RunFolder:
    """A folder that `run_folder` has given to this process.

    Attributes:
        identity: Of the run that is asked for.
        interrupted: The run that was begun in it; None if there was none.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        self._path = path
        self.identity = identity
        self.interrupted = read_unfinished(path)

    def check(self) -> None:
        """Refuse to continue a run under other conditions.

        Raises:
            CheckpointError: Names each that differs, with both values.
        """
        if self.interrupted is None:
            return
        found = changes(self.interrupted.identity.deciding, self.identity.deciding)
        changed = [f"{name} {then!r} then and {now!r} now" for name, then, now in found]
        if changed:
            raise CheckpointError(
                f"expected to continue run {self.interrupted.run_id} with what it was begun with, "
                f"received {', '.join(changed)}; bring that back, or start over with --fresh"
            )

    @property
    def last_epoch(self) -> int:
        """As `learning.checkpoint.last_epoch`."""
        return checkpoint.last_epoch(self._path)

    def newest(self) -> tuple[Checkpoint | None, list[CheckpointError]]:
        """As `learning.checkpoint.newest`.

        Raises:
            CheckpointError: No checkpoint is whole.
        """
        try:
            return checkpoint.newest(self._path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}; start over with --fresh") from error

    def begin(
        self, run_id: str, name: str, experiment: str, study_tags: Mapping[str, str], after: int
    ) -> tuple[int, ...]:
        """Bring to the disk that this process trains a run from now on, named as in MLflow,
        after an epoch; 0 for the beginning.

        Returns:
            The epochs after which it was continued, this one among them.
        """
        before = self.interrupted
        self.interrupted = UnfinishedRun(
            run_id,
            name,
            experiment,
            dict(study_tags),
            self.identity,
            (os.getpid(), platform.node()),
            (*before.continued_after, after) if before else (),
        )
        with _writing(self._path):
            text = json.dumps(asdict(self.interrupted), indent=2)
            write_durably(self._path / RECORD, [text.encode()])
        return self.interrupted.continued_after

    def save(self, epoch: int, arrays: Arrays) -> None:
        """Write a checkpoint.

        Raises:
            CheckpointError: It could not be written; the one before is as it was.
        """
        about = asdict(self.interrupted) if self.interrupted else {}
        checkpoint.write(self._path, Checkpoint(epoch, arrays, about))

    def remove(self) -> None:
        """Forget the run: it has finished, or is given up."""
        shutil.rmtree(self._path, ignore_errors=True)
        self.interrupted = None


@contextmanager
def run_folder(identity: Identity, folder: Path | None = None) -> Iterator[RunFolder]:
    """The folder of a run, for this process alone while the block lasts; in the state folder, if no
    other one is given.

    Raises:
        ClaimedError: Another process trains the run.
        CheckpointError: The folder cannot be created.
    """
    path = (folder or folder_of_runs()) / identity.asked
    lock_file = path.with_suffix(".lock")
    lock = FileLock(lock_file)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout as error:
            raise _taken(identity, read_unfinished(path)) from error
    try:
        yield RunFolder(path, identity)
    finally:
        if not path.exists():
            lock_file.unlink(missing_ok=True)  # whoever waits for it notices
        lock.release()


def _taken(identity: Identity, run: UnfinishedRun | None) -> ClaimedError:
    holder = f"process {run.process[0]} on {run.process[1]}, run {run.run_id}" if run else "one"
    return ClaimedError(
        f"expected no other process to train {identity.regime} with seed "
        f"{identity.configuration.get('seed')} and these parameters, received {holder}; wait for "
        "its end, or stop it"
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"expected a folder {path} for checkpoints, received: "
            f"{getattr(error, 'strerror', None) or error}; set FASHION_DROPOUT_STATE to a folder "
            "that can be written"
        ) from error
