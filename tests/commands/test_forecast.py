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
    # Of 4 × 4 epochs of 10 s on two workers 4 are done; a cell's closing takes 5 s, as long as none
    # is timed, and the study's conclusion three times that.
    assert forecast.seconds_left == pytest.approx(((16 - 4) * 10 + 4 * 5) / 2 + 15)
    assert forecast.text == ", about 85 s left"


def test_cells_that_have_ended_count_with_all_that_they_cost():
    clock = Clock()
    forecast = Forecast(4, clock)
    for epoch in range(1, 5):
        clock.now = 10.0 * epoch
        forecast.epoch(progress("a", epoch))
    clock.now = 50
    forecast.ended("a")
    assert (forecast.done, forecast.cells_text) == (1, "1/4 cells")
    assert forecast.seconds_left == pytest.approx(150 + 30)  # the closing took 10 s
    forecast.epoch(progress("b", 2))
    assert forecast.done == pytest.approx(1 + 2 / 5)
    for cell in ("b", "c", "d"):
        forecast.ended(cell)
    assert forecast.done == 4


def test_after_the_last_epoch_time_is_left_for_closing_and_concluding():
    clock = Clock()
    forecast = Forecast(2, clock)
    for epoch in range(1, 5):
        clock.now = 10.0 * epoch
        for cell in ("a", "b"):
            forecast.epoch(progress(cell, epoch))
    assert forecast.seconds_left == pytest.approx(5 + 15)
    clock.now = 52
    for cell in ("a", "b"):
        forecast.ended(cell)
    assert forecast.seconds_left == pytest.approx(3 * 12)  # figures and report


def test_cells_of_one_epoch_have_a_time_left_too():
    clock = Clock()
    forecast = Forecast(2, clock)
    clock.now = 10
    forecast.epoch(progress("a", 4))
    assert forecast.seconds_left is None
    clock.now = 14
    forecast.ended("a")
    assert forecast.seconds_left == pytest.approx(14 + 12)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (91, "2 min"), (3500, "58 min"), (4800, "1 h 20 min")],
)
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text
