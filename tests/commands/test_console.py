from __future__ import annotations

from io import StringIO

from rich.console import Console

from fashion_dropout.commands.console import LiveBar, StudyLines
from fashion_dropout.progress import CellProgress

METRICS = {"val/loss": 0.5, "speed/images_per_second": 1000.0}


def progress(cell: str, epoch: int, epochs: int = 4) -> CellProgress:
    return CellProgress(cell, epoch, epochs, METRICS)


def test_plain_lines_say_what_is_left(capsys):
    lines = StudyLines()
    lines.begin("quick-0", 2, 2)
    lines.epoch(progress("a", 1))
    lines.epoch(progress("a", 2))
    lines.ended("a", "")
    lines.ended("b", "it broke")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "study quick-0: 2 of 2 cells to run"
    assert said[1].endswith("1,000 images/s")
    assert said[2].endswith("left")
    assert said[3].startswith("a: finished; 1/2 cells, about ")
    assert said[4].startswith(
        "b: failed: it broke; 2/2 cells, about "
    )  # the report is still to come


def test_a_bar_does_not_promise_the_end_while_the_model_is_tested_and_stored():
    written = StringIO()
    console = Console(file=written, force_terminal=True, width=120, color_system=None)
    metrics = {
        f"{part}/{what}": 0.5 for part in ("train", "val", "gap") for what in ("loss", "accuracy")
    }
    with LiveBar(1, console).shown() as bar:
        bar.epoch(1, metrics | {"speed/images_per_second": 1000.0})
        bar._progress.refresh()
    last = [line for line in written.getvalue().splitlines() if "testing and storing" in line]
    assert last
    assert not any("0:00" in line or "%" in line for line in last)
