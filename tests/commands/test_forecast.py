from __future__ import annotations

import pytest

from fashion_dropout.commands.forecast import Forecast
from fashion_dropout.progress import CellProgress, duration


def progress(cell: str, epoch: int) -> CellProgress:
    return CellProgress(cell, epoch, 4, {})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_is_known_after_the_second_epoch_of_the_first_cell():
    clock = Clock()
    forecast = Forecast(4, clock)
    assert forecast.seconds_left is None
    clock.now = 30  # the workers start, which says nothing about an epoch
    for cell in ("a", "b"):
        forecast.epoch(progress(cell, 1))
    assert (forecast.seconds_left, forecast.text) == (None, "")
    clock.now = 40
    for cell in ("a", "b"):
        forecast.epoch(progress(cell, 2))
    # Of 4 × 4 epochs of 10 s on two workers 4 are done.
    assert forecast.seconds_left == pytest.approx((16 - 4) * 10 / 2)
    assert forecast.text == ", about 60 s left"


def test_cells_that_have_ended_count_with_all_that_they_cost():
    clock = Clock()
    forecast = Forecast(4, clock)
    for epoch in range(1, 5):
        clock.now = 10.0 * epoch
        forecast.epoch(progress("a", epoch))
    clock.now = 50
    forecast.ended("a")
    assert (forecast.done, forecast.cells_text) == (1, "1/4 cells")
    assert forecast.seconds_left == pytest.approx(150)
    forecast.epoch(progress("b", 2))
    assert forecast.done == 1.5
    for cell in ("b", "c", "d"):
        forecast.ended(cell)
    assert forecast.seconds_left == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (91, "2 min"), (3500, "58 min"), (4800, "1 h 20 min")],
)
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text
