"""What a run and a study report while they work: the protocols between those that work and those
that show. A terminal shows it (`commands.console`), a worker sends it, a test records it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Display(Protocol):
    """Shows the progress of one training run."""

    def note(self, line: str) -> None:
        """Show one line of text."""

    def batches(self, done: int, total: int) -> None:
        """Show that `done` of `total` gradient steps of the present epoch are done."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Show that an epoch, counted from 1, has ended with these metrics."""


@dataclass(frozen=True)
class CellProgress:
    """One finished epoch, counted from 1, of a running cell that has so many epochs."""

    cell: str
    epoch: int
    epochs: int
    metrics: Mapping[str, float]


class StudyDisplay(Protocol):
    """Shows the progress of a study."""

    def note(self, line: str) -> None:
        """Show one line of text."""

    def begin(self, study: str, cells: int, all_cells: int) -> None:
        """Show that `cells` of the `all_cells` cells of a study are to be run."""

    def epoch(self, progress: CellProgress) -> None:
        """Show that an epoch of a cell has ended."""

    def ended(self, cell: str, error: str) -> None:
        """Show that a cell has ended; `error` is empty if it has finished."""


def duration(seconds: float) -> str:
    """A time for a person: ``40 s``, ``7 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
