"""What can go wrong, and the exit code of each way in which a command ends.

::

    FashionDropoutError        1
    ├── UsageError             2   a value that the user gave cannot be used
    ├── DataError              1   the dataset, an image or a model file is missing or damaged
    ├── TrackingError          1   MLflow's store cannot be reached, or refused something
    ├── ClusterError           1   a Dask scheduler or its workers cannot run a study
    ├── UndeliveredError       6   all is done and on this disk, and the store does not answer
    ├── CheckpointError        1   a run cannot be resumed, or a checkpoint not be written
    │   └── ClaimedError       1   another program has the run, or the cell of the study
    ├── TrainingDivergedError  1   the loss is no longer a finite number
    ├── UnpairedError          1   the runs of a pair did not begin alike
    └── OutdatedError          1   published files do not match the study file any more
    Interrupted          128 + n   signal n arrived; not an Exception, so that nothing swallows it

A message is one line: what was expected, what was received, what to do.

`tracking.models.loader.DamagedModelError` is no part of this tree, because a copy of its module
must load without this package; whoever calls it turns it into a `DataError` or a `TrackingError`.
"""

from __future__ import annotations

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of commands that end as they should. Errors have their own."""

    DONE = 0
    HELD_BACK = 3
    """`promote`: the gate did not let the candidate pass."""
    INCOMPLETE = 4
    """`compare`: cells of the study have no finished run."""
    DRIFTED = 5
    """`verify`: the repeated run gave different numbers."""


class FashionDropoutError(Exception):
    """Base of every error that a user can cause and that ends in one line, not in a traceback."""

    exit_code = 1


class UsageError(FashionDropoutError):
    """A value that the user gave cannot be used."""

    exit_code = 2


class DataError(FashionDropoutError):
    """The dataset, an image or a model file is missing, damaged or not what it says it is."""


class TrackingError(FashionDropoutError):
    """MLflow's store cannot be reached, or refused something."""


class ClusterError(FashionDropoutError):
    """A Dask scheduler does not answer or was lost, or its workers cannot run a study."""


class UndeliveredError(FashionDropoutError):
    """A store has not received everything; the rest is on this disk, and `sync` delivers it."""

    exit_code = 6

    def __init__(self, message: str, run_id: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id


class CheckpointError(FashionDropoutError):
    """An interrupted run cannot be resumed, or a checkpoint of a running one not be written."""


class ClaimedError(CheckpointError):
    """Another program trains the same: the run of this machine, or the cell of the study."""


class TrainingDivergedError(FashionDropoutError):
    """The loss is no longer a finite number."""


class UnpairedError(FashionDropoutError):
    """The runs of a pair differ in what they must have in common, so they cannot be compared."""


class OutdatedError(FashionDropoutError):
    """Published files do not match the study file any more."""


class Interrupted(BaseException):
    """A signal asked the program to stop."""

    def __init__(self, signal_number: int) -> None:
        self.signal = signal.Signals(signal_number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """The shell's convention: 128 + the signal's number."""
        return 128 + self.signal
