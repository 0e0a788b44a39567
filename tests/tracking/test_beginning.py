"""How a run begins: what a signal, a slow store or another program that begins does to it."""

from __future__ import annotations

import os
import signal
import time
from unittest.mock import Mock

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from fashion_dropout.errors import Interrupted, TrackingError
from fashion_dropout.interrupts import interruptible
from fashion_dropout.tracking.recording import opening
from fashion_dropout.tracking.recording import run as recording
from fashion_dropout.tracking.recording.previous import check_writable
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.timeouts import NoAnswerError

pytestmark = pytest.mark.usefixtures("store")


def opened(**changes):
    arguments = {"name": "n", "description": "d", "params": {}, "tags": {"role": "run"}}
    return tracked_run(**{**arguments, **changes})


def interrupted(**changes) -> str:
    """The id of a run that was stopped; its journal is delivered and gone."""
    with pytest.raises(KeyboardInterrupt), opened(**changes) as run:
        raise KeyboardInterrupt
    return run.run_id


def only_run():
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


def test_a_signal_while_a_run_begins_ends_it_as_killed(monkeypatch):
    begin = recording._begin

    def stopped(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return begin(*arguments)

    monkeypatch.setattr(recording, "_begin", stopped)
    with interruptible(), pytest.raises(Interrupted), opened():
        raise AssertionError("it goes on")
    run = only_run()
    assert (run.info.status, run.data.tags["error"]) == ("KILLED", "stopped by SIGTERM")


def test_a_run_that_could_not_be_taken_up_can_be_by_the_same_process(monkeypatch):
    run_id, away = interrupted(), MlflowException("API request failed: Connection refused")
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "update_run", Mock(side_effect=away))
        with pytest.raises(TrackingError, match="refused") as first, opened(resume=run_id):
            pass
    with opened(resume=run_id):
        pass
    assert only_run().info.status == "FINISHED"
    assert first.value.__traceback__, "what refers to the first attempt is there still"


@pytest.mark.slow  # it waits
def test_a_beginning_that_comes_too_late_lets_go_of_the_run(monkeypatch):
    run_id, steps = interrupted(), opening.written_metrics

    def slow(run):
        time.sleep(1)
        return steps(run)

    with monkeypatch.context() as patch:
        patch.setattr(recording, "written_metrics", slow)
        patch.setattr(recording, "_START_ON_THIS_DISK", 0.5)
        with pytest.raises(NoAnswerError), opened(resume=run_id):
            pass
        time.sleep(3)
    with opened(resume=run_id):
        pass
    assert only_run().info.status == "FINISHED"


def test_of_two_first_runs_at_once_the_slower_one_begins_as_well(monkeypatch):
    taken = MlflowException(
        "(sqlite3.IntegrityError) UNIQUE constraint failed: experiment_tags.key",
        error_code=BAD_REQUEST,
    )
    write, answers = mlflow.MlflowClient.set_experiment_tag, [taken]

    def slower(*arguments):
        if answers:
            raise answers.pop()
        write(*arguments)

    monkeypatch.setattr(mlflow.MlflowClient, "set_experiment_tag", slower)
    with opened():
        pass
    assert answers == []
    assert only_run().info.status == "FINISHED"


def test_an_experiment_in_which_the_right_to_record_was_tried_is_described():
    experiment = opening.experiment_id("new")
    check_writable(experiment)
    with opened(experiment="new"):
        pass
    described = mlflow.get_experiment(experiment).tags["mlflow.note.content"]
    assert described.startswith("**Does dropout change")


def test_the_samples_of_a_run_that_goes_on_follow_those_that_it_has(monkeypatch):
    """And nobody asks the store for their number: that question had no bound."""
    asked = Mock(side_effect=AssertionError("the store is asked"))
    monkeypatch.setattr(SystemMetricsMonitor, "_get_next_logging_step", asked)
    run_id = interrupted(monitored=True)
    with opened(monitored=True, resume=run_id):
        pass
    samples = mlflow.MlflowClient().get_metric_history(run_id, "system/cpu_utilization_percentage")
    assert [sample.step for sample in samples] == [0, 1]
