"""What can go wrong, and the exit code that each way has.

::

    FashionDropoutError        1
    ├── UsageError             2   a value that the user gave cannot be used
    ├── DataError              1   the dataset is missing, damaged or not what it says it is
    ├── TrackingError          1   MLflow's store cannot be reached or refused something
    └── TrainingDivergedError  1   the loss is no longer a finite number
    Interrupted          128 + n   signal n arrived; not an Exception, so that nothing swallows it

A message is one line: what was expected, what was received, what to do.
"""

from __future__ import annotations

import signal


class FashionDropoutError(Exception):
    """Base of every error that a user can cause and that ends in one line, not in a traceback."""

    exit_code = 1


class UsageError(FashionDropoutError):
    """A value that the user gave cannot be used."""

    exit_code = 2


class DataError(FashionDropoutError):
    """The dataset is missing, damaged or not what it says it is."""


class TrackingError(FashionDropoutError):
    """MLflow's store cannot be reached, or refused something."""


class TrainingDivergedError(FashionDropoutError):
    """The loss is no longer a finite number."""


class Interrupted(BaseException):
    """A signal asked the program to stop."""

    def __init__(self, signal_number: int) -> None:
        self.signal = signal.Signals(signal_number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """The shell's convention: 128 + the signal's number."""
        return 128 + self.signal
