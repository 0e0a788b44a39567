"""What a person sees while a run trains: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Display(Protocol):
    """What a training run tells."""

    def note(self, line: str) -> None:
        """Say one thing."""

    def batches(self, done: int, total: int) -> None:
        """`done` of `total` gradient steps of this epoch are done."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch ended with these metrics."""


class Lines:
    """Plain lines: for files, pipes and logs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def note(self, line: str) -> None:
        click.echo(line)

    def batches(self, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.note(epoch_line(epoch, self.epochs, metrics))


class LiveBar:
    """A line an epoch, and below them a bar over the whole run."""

    def __init__(self, epochs: int, console: Console) -> None:
        self.epochs = epochs
        self._finished = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=epochs, speed="")
        self._epoch_began = time.monotonic()

    def note(self, line: str) -> None:
        self._progress.console.print(line, highlight=False, markup=False)

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
        self.note(epoch_line(epoch, self.epochs, metrics))

    @contextmanager
    def shown(self) -> Iterator[LiveBar]:
        """While this is open, the bar stands at the bottom of the terminal."""
        with self._progress:
            yield self


@contextmanager
def display(epochs: int) -> Iterator[Display]:
    """A live bar if standard output is a terminal, plain lines otherwise."""
    console = Console()
    if console.is_terminal:
        with LiveBar(epochs, console).shown() as bar:
            yield bar
    else:
        yield Lines(epochs)


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
