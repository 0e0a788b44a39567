"""A participant of a study waits for the cells of others, and takes over what is left."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import mlflow
import pytest

from claimed import CLAIM, EXPERIMENT, begun, finish, status_of
from fashion_dropout.config.cell import Cell
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.studies import others
from fashion_dropout.studies.others import Others
from fashion_dropout.tracking.reading.studies import concluded_beside

pytestmark = pytest.mark.usefixtures("store")
ZERO, ONE = (Cell(CLAIM.study, "none", TrainingConfig(seed=seed)) for seed in (0, 1))


class Shown:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done: list[str] = []

    def note(self, line: str) -> None:
        self.notes.append(line)

    def ended(self, cell: str, error: str) -> None:
        assert not error
        self.done.append(cell)


@pytest.fixture
def waiting(monkeypatch) -> Others:
    monkeypatch.setattr(others, "_POLL_SECONDS", 0.01)
    return Others(EXPERIMENT, "mine", Shown())


def pausing(monkeypatch, *steps) -> None:
    """Do one of the steps at each pause, and fail when there are none left."""
    left = list(steps)
    clock = SimpleNamespace(sleep=lambda _: left.pop(0)(), monotonic=time.monotonic)
    monkeypatch.setattr(others, "time", clock)


def nothing() -> None:
    """Nothing happens."""


def test_who_is_waited_for_is_said_once_until_it_changes(waiting, monkeypatch):
    zero, one = begun(), begun("theirs", replace(CLAIM, seed="1"))
    pausing(monkeypatch, nothing, nothing, lambda: finish(zero), lambda: finish(one))
    assert waiting.wait([ZERO, ONE]) == set()
    assert waiting.display.done == ["none-seed0", "none-seed1"]
    two, last = waiting.display.notes
    assert two.startswith(
        "waiting for 2 cells that ann@far-host runs; one that is silent for 5 min"
    )
    assert last.startswith("waiting for 1 cell that ann@far-host runs")


def test_a_cell_that_others_did_not_finish_is_given_back_at_once(waiting, monkeypatch):
    zero, _ = begun(), begun("theirs", replace(CLAIM, seed="1"))
    killed = lambda: mlflow.MlflowClient().set_terminated(zero, "KILLED")  # noqa: E731
    pausing(monkeypatch, nothing, killed)
    assert waiting.wait([ZERO, ONE]) == {"none-seed1"}
    assert waiting.display.done == []


def test_a_silent_owner_loses_its_cell_and_one_that_records_something_does_not(
    waiting, monkeypatch
):
    monkeypatch.setattr(others, "SILENT_SECONDS", 0.2)
    silent, lively = begun(), begun("theirs", replace(CLAIM, seed="1"))
    client = mlflow.MlflowClient()
    steps = iter(range(1_000))

    def beat(seconds: float) -> None:
        time.sleep(seconds)
        client.log_metric(lively, "system/cpu", 1.0, step=next(steps), timestamp=0)

    clock = SimpleNamespace(sleep=beat, monotonic=time.monotonic)
    monkeypatch.setattr(others, "time", clock)
    assert waiting.wait([ZERO, ONE]) == {"none-seed1"}
    assert (status_of(silent), status_of(lively)) == ("KILLED", "RUNNING")
    assert "ann@far-host has been silent" in mlflow.get_run(silent).data.tags["error"]
    assert waiting.display.notes[-1].startswith("taking over none-seed0: ann@far-host has been")


def test_a_store_that_is_away_is_no_silence_of_others_and_is_given_up_in_the_end(
    waiting, monkeypatch
):
    begun()
    answers = [TrackingError("away")] * 3
    ask = waiting._running
    clock = iter(range(0, 10**6, 200))

    def asked(study: str):
        if answers:
            raise answers.pop()
        return ask(study)

    monkeypatch.setattr(others, "SILENT_SECONDS", 1_000)
    monkeypatch.setattr(waiting, "_running", asked)
    gone = lambda: answers.extend([TrackingError("gone")] * 9)  # noqa: E731
    pausing(monkeypatch, *[nothing] * 4, gone, *[nothing] * 9)
    others.time.monotonic = lambda: next(clock)
    with pytest.raises(TrackingError, match="gone"):
        waiting.wait([ZERO])


def concluded(verdict: str | None, **more: str) -> str:
    tags = {"role": "study", "study": CLAIM.study, "study.fresh": "False", **more}
    made = mlflow.MlflowClient().create_run(EXPERIMENT, tags=tags).info.run_id
    if verdict:
        mlflow.MlflowClient().set_tag(made, "verdict", verdict)
    return str(made)


def test_the_second_that_concludes_a_study_finds_the_first():
    earlier = concluded("none")
    mlflow.MlflowClient().set_terminated(earlier, end_time=1)
    first, own = concluded("better"), concluded("better")
    concluded(None)
    concluded("better", study="other-0123456789ab")
    verdict, found = concluded_beside(own)
    assert (verdict, [run.info.run_id for run in found]) == ("better", [first])


def test_what_others_finish_is_no_end_of_a_cell_that_is_run_here_all_the_same(monkeypatch):
    monkeypatch.setattr(others, "_POLL_SECONDS", 0.01)
    fresh = Others(EXPERIMENT, "mine", Shown(), fresh=True)
    zero = begun()
    pausing(monkeypatch, nothing, lambda: finish(zero))
    assert fresh.wait([ZERO]) == set()
    assert fresh.display.done == []


def test_who_is_refused_for_a_run_of_other_code_is_told_what_to_do_if_it_is_dead(waiting):
    left = begun()
    with pytest.raises(UsageError, match=f"sync --ended {left}"):
        waiting.refuse_other_code(CLAIM.study)
