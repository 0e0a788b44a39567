"""How long a study will still take."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from fashion_dropout.progress import CellProgress, duration

_CLOSING_SECONDS = 5.0
"""What comes after the last epoch of a cell (its test, figures and model), until one is timed."""

_CONCLUDING = 3
"""How many times as long it takes to conclude a study: its figures and its report."""


class Forecast:
    """How long a study of so many cells will still take, from the epochs and cells that have ended.

    The clock gives seconds.
    """

    def __init__(self, cells: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._cells, self._clock = cells, clock
        self._ended = 0
        self._began = clock()
        self._running: dict[str, CellProgress] = {}
        self._last: dict[str, float] = {}
        self._epoch_seconds: list[float] = []
        self._closing_seconds: list[float] = []

    def epoch(self, progress: CellProgress) -> None:
        """Count an epoch that has ended."""
        now = self._clock()
        if progress.cell in self._last:
            self._epoch_seconds.append(now - self._last[progress.cell])
        self._last[progress.cell] = now
        self._running[progress.cell] = progress

    def ended(self, cell: str) -> None:
        """Count a cell that has ended."""
        self._ended += 1
        if self._running.pop(cell, None):
            self._closing_seconds.append(self._clock() - self._last[cell])

    @property
    def done(self) -> float:
        """How many cells are done, parts of cells included."""
        closing = self._closing_epochs
        parts = (cell.epoch / (cell.epochs + closing) for cell in self._running.values())
        return self._ended + sum(parts)

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes; None before an epoch has been timed.

        While no cell has ended, the time between two epochs of a cell counts, which the start of
        the workers does not lengthen; afterwards the time of all that is done.
        """
        left = self._cells - self.done
        concluding = _CONCLUDING * self._closing
        if self._ended:
            return (self._clock() - self._began) / self.done * left + concluding
        if not self._epoch_seconds or not self._running:
            return None
        epochs = max(progress.epochs for progress in self._running.values()) + self._closing_epochs
        return median(self._epoch_seconds) * epochs * left / len(self._running) + concluding

    @property
    def _closing(self) -> float:
        return median(self._closing_seconds or [_CLOSING_SECONDS])

    @property
    def _closing_epochs(self) -> float:
        """The closing of a cell in epochs; one while no epoch has been timed."""
        epoch = median(self._epoch_seconds or [0.0])
        return self._closing / epoch if epoch else 1.0

    @property
    def cells_text(self) -> str:
        """How many cells have ended."""
        return f"{self._ended}/{self._cells} cells"

    @property
    def text(self) -> str:
        """What is left, to be put behind a line; empty if it is not known."""
        left = self.seconds_left
        return "" if left is None else f", about {duration(left)} left"
