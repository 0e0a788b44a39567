"""What a person sees while a run trains: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Self

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from fashion_dropout.commands.forecast import Forecast
from fashion_dropout.commands.typed import as_typed
from fashion_dropout.escapes import visible
from fashion_dropout.progress import CellProgress, Display, StudyDisplay


class _Plain:
    """Plain lines: for files, pipes and logs."""

    def note(self, line: str) -> None:
        click.echo(as_typed(visible(line)))


class _Live:
    """Bars below the lines; `columns` are what stands behind each bar."""

    def __init__(self, console: Console, *columns: ProgressColumn) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            *columns,
            console=console,
            transient=True,
        )

    def note(self, line: str) -> None:
        self._progress.console.print(as_typed(visible(line)), highlight=False, markup=False)

    @contextmanager
    def shown(self) -> Iterator[Self]:
        """While this is open, the bars are shown at the bottom of the terminal."""
        with self._progress:
            yield self


class Lines(_Plain):
    """A line an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def batches(self, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.note(epoch_line(epoch, self.epochs, metrics))


class LiveBar(_Live):
    """A line an epoch, and below them a bar over the whole run."""

    def __init__(self, epochs: int, console: Console) -> None:
        super().__init__(console, TimeRemainingColumn(), TextColumn("{task.fields[speed]}"))
        self.epochs = epochs
        self._finished = 0
        self._task = self._progress.add_task("starting", total=epochs, speed="")
        self._epoch_began = time.monotonic()

    def batches(self, done: int, total: int) -> None:
        seconds = time.monotonic() - self._epoch_began
        self._progress.update(
            self._task,
            completed=self._finished + done / total,
            description=f"epoch {self._finished + 1}/{self.epochs}",
            speed=f"{done / seconds:,.0f} batches/s" if done else "",
        )

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._finished = epoch
        self._epoch_began = time.monotonic()
        self._progress.update(self._task, completed=epoch)
        if epoch == self.epochs:  # what is left now takes no epochs, and is not timed
            self._progress.remove_task(self._task)
            self._task = self._progress.add_task("testing and storing", total=None, speed="")
        self.note(epoch_line(epoch, self.epochs, metrics))


def display(epochs: int) -> AbstractContextManager[Display]:
    """A live bar if standard output is a terminal, plain lines otherwise."""
    if sys.stdout and sys.stdout.isatty():  # not rich's own answer, which FORCE_COLOR changes
        return LiveBar(epochs, Console()).shown()
    return nullcontext(Lines(epochs))


def epoch_line(epoch: int, epochs: int, metrics: Mapping[str, float]) -> str:
    """One epoch in one line."""
    width = len(str(epochs))
    return (
        f"epoch {epoch:{width}}/{epochs}  "
        f"training {metrics['train/loss']:.4f} ({metrics['train/accuracy']:.2%})  "
        f"validation {metrics['val/loss']:.4f} ({metrics['val/accuracy']:.2%})  "
        f"gap {metrics['gap/loss']:+.4f}  "
        f"{metrics['speed/images_per_second']:,.0f} images/s"
    )


class StudyLines(_Plain):
    """A line an epoch and a line a cell."""

    def __init__(self) -> None:
        self._forecast = Forecast(0)

    def begin(self, study: str, cells: int, all_cells: int) -> None:
        self._forecast = Forecast(cells)
        self.note(f"study {study}: {cells} of {all_cells} cells to run")

    def epoch(self, progress: CellProgress) -> None:
        self._forecast.epoch(progress)
        self.note(f"{progress.cell}: {_epoch_of_a_cell(progress)}{self._forecast.text}")

    def ended(self, cell: str, error: str) -> None:
        self._forecast.ended(cell)
        state = f"failed: {error}" if error else "finished"
        self.note(f"{cell}: {state}; {self._forecast.cells_text}{self._forecast.text}")


class StudyBars(_Live):
    """A line for each running cell and a bar over the whole study."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, TextColumn("{task.fields[state]}"))
        self._whole = self._progress.add_task("study", total=None, state="")
        self._running: dict[str, TaskID] = {}
        self._forecast = Forecast(0)

    def begin(self, study: str, cells: int, all_cells: int) -> None:
        self.note(f"study {study}: {cells} of {all_cells} cells to run")
        self._forecast = Forecast(cells)
        self._progress.update(self._whole, total=cells, state=self._forecast.cells_text)

    def epoch(self, progress: CellProgress) -> None:
        name = progress.cell
        if name not in self._running:
            self._running[name] = self._progress.add_task(name, total=progress.epochs, state="")
        self._progress.update(
            self._running[name], completed=progress.epoch, state=escape(_epoch_of_a_cell(progress))
        )
        self._forecast.epoch(progress)
        self._show_whole()

    def ended(self, cell: str, error: str) -> None:
        self._forecast.ended(cell)
        if cell in self._running:
            self._progress.remove_task(self._running.pop(cell))
        self._show_whole()
        if error:
            self.note(f"{cell} failed: {error}")

    def _show_whole(self) -> None:
        self._progress.update(
            self._whole,
            completed=self._forecast.done,
            state=self._forecast.cells_text + self._forecast.text,
        )


def study_display() -> AbstractContextManager[StudyDisplay]:
    """Live bars if standard output is a terminal, plain lines otherwise."""
    if sys.stdout and sys.stdout.isatty():
        return StudyBars(Console()).shown()
    return nullcontext(StudyLines())


def _epoch_of_a_cell(progress: CellProgress) -> str:
    metrics = progress.metrics
    return (
        f"epoch {progress.epoch}/{progress.epochs} validation loss {metrics['val/loss']:.4f} "
        f"{metrics['speed/images_per_second']:,.0f} images/s"
    )
