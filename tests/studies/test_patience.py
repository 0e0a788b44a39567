"""A worker waits for a store that is away, and not for one that refuses."""

from __future__ import annotations

import time
from types import SimpleNamespace

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException

from fashion_dropout.errors import TrackingError, UndeliveredError, UsageError
from fashion_dropout.studies import patience
from fashion_dropout.studies.patience import is_away, until_delivered, until_it_answers
from fashion_dropout.tracking.recording import outbox, recovery
from fashion_dropout.tracking.recording.outbox import Journal, has_journal, journals
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.store.connect import store_name
from fashion_dropout.tracking.store.timeouts import NoAnswerError
from tracking_server import HOST


def caused(by: BaseException) -> TrackingError:
    error = TrackingError("in one line")
    error.__cause__ = by
    return error


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    """A refused connection is an answer."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    patience._away_since.clear()
    patience._kept_since.clear()
    patience._taken.clear()


def pausing(monkeypatch, pause) -> None:
    """Do something else at each pause."""
    clock = SimpleNamespace(sleep=lambda _: pause(), monotonic=time.monotonic)
    monkeypatch.setattr(patience, "time", clock)


def test_what_passes_is_told_from_what_lasts():
    assert is_away(NoAnswerError("no answer"))
    assert is_away(caused(requests.ConnectionError("refused")))
    assert is_away(caused(NoAnswerError("no answer")))
    assert not is_away(TrackingError("of an older version"))
    for code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        answer = MlflowException("no")
        answer.error_code = code
        assert not is_away(caused(answer))


def test_a_store_that_comes_back_is_taken(store, monkeypatch):
    pausing(monkeypatch, lambda: mlflow.set_tracking_uri(store))
    mlflow.set_tracking_uri(f"http://{HOST}:9")
    said: list[str] = []
    until_it_answers(said.append)
    (line,) = said
    assert "Connection refused" in line
    assert line.endswith("; cells wait for it for 10 min")


def test_a_server_that_has_just_taken_a_run_is_not_asked_again(store, monkeypatch):
    monkeypatch.setattr(patience, "AWAY_SECONDS", -1)
    mlflow.set_tracking_uri(f"http://{HOST}:9")
    patience.was_taken()
    until_it_answers(pytest.fail)
    with pytest.raises(TrackingError, match="Connection refused"):  # once, not for good
        until_it_answers(pytest.fail)
    patience.was_taken()
    mlflow.set_tracking_uri(f"http://{HOST}:7")  # of another study
    with pytest.raises(TrackingError, match="Connection refused"):
        until_it_answers(pytest.fail)


def test_a_file_of_a_store_is_looked_for_before_each_cell(store, workdir):
    patience.was_taken()
    (workdir / "mlflow.db").unlink()
    with pytest.raises(UsageError, match="received no such file"):
        until_it_answers(pytest.fail)


def test_one_that_does_not_come_back_is_given_up(store, monkeypatch):
    monkeypatch.setattr(patience, "AWAY_SECONDS", -1)
    mlflow.set_tracking_uri(f"http://{HOST}:9")
    with pytest.raises(TrackingError, match="Connection refused"):
        until_it_answers(pytest.fail)


def test_what_a_run_has_recorded_is_delivered_as_soon_as_it_can_be(store, workdir, monkeypatch):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    run_id = mlflow.MlflowClient().create_run("0", tags={"role": "run"}).info.run_id
    about = {"store": store_name(store), "name": "kept", **this_process()}
    journal = Journal(journals() / run_id, about)
    journal.write("metrics", metrics={"a": 0.5}, step=1, of_model=False, dataset=None)
    journal.write("end", status="FINISHED")
    journal.close(remove=False)
    stores = iter([f"http://{HOST}:9", store])
    pausing(monkeypatch, lambda: mlflow.set_tracking_uri(next(stores)))
    said: list[str] = []
    until_delivered(UndeliveredError("kept", run_id), said.append)
    run = mlflow.get_run(run_id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"a": 0.5})
    assert not has_journal(run_id)
    assert said == ["kept; it is tried again for 10 min"]


def test_cells_whose_records_nobody_takes_wait_once_and_not_each_in_turn(monkeypatch):
    """As behind a proxy that lets no model through."""
    now = [0.0]

    def pause(_: float) -> None:
        now[0] += 100

    clock = SimpleNamespace(sleep=pause, monotonic=lambda: now[0])
    monkeypatch.setattr(patience, "time", clock)
    monkeypatch.setattr(outbox, "has_journal", lambda run_id: True)
    monkeypatch.setattr(recovery, "tidy", lambda say: 1)
    said: list[str] = []

    def waited(run_id: str) -> float:
        before = now[0]
        with pytest.raises(UndeliveredError):
            until_delivered(UndeliveredError("kept", run_id), said.append)
        return now[0] - before

    assert waited("a") > patience.AWAY_SECONDS
    assert waited("b") == 0
    assert len(said) == 1
    patience.was_taken()
    assert waited("c") > patience.AWAY_SECONDS
