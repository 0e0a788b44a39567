from __future__ import annotations

from fashion_dropout.commands.console import StudyLines
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
    assert said[4] == "b: failed: it broke; 2/2 cells, about 0 s left"
