"""Row 22: a run is of one process at a time; the death of that process releases it."""

from __future__ import annotations

import signal
import subprocess
import sys

import mlflow
import pytest

from conftest import clean_environment
from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.run import tracked_run

HOLDER = """
import sys
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.connect import connect

connect()
with tracked_run(name="one", description="", params={}, tags={"role": "run"}) as run:
    run.log_metrics({"val/loss": 0.5}, step=1)
    run.settle()
    print(run.run_id, flush=True)
    sys.stdin.read()
"""


def resumed(run_id: str):
    return tracked_run(name="one", description="", params={}, tags={"role": "run"}, resume=run_id)


@pytest.mark.slow
def test_a_second_process_cannot_have_the_run_until_the_first_is_gone(store, workdir):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=workdir,
        env=clean_environment(MLFLOW_TRACKING_URI=store),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        run_id = holder.stdout.readline().strip()
        with pytest.raises(TrackingError, match="received one that works on it"), resumed(run_id):
            raise AssertionError("two processes have one run")
        assert mlflow.get_run(run_id).info.status == "RUNNING"
        assert holder.poll() is None
        holder.send_signal(signal.SIGKILL)
    with resumed(run_id) as run:
        run.log_metrics({"val/loss": 0.75}, step=1)  # it has this step already
        run.log_metrics({"val/loss": 0.25}, step=2)
    client = mlflow.MlflowClient()
    assert client.get_run(run_id).info.status == "FINISHED"
    history = client.get_metric_history(run_id, "val/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, 0.25)]
