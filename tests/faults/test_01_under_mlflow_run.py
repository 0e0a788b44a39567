"""Row 1 under ``mlflow run``, which makes a run before the program starts: a new one, or with
``--run-id`` the interrupted one. What the launcher does to the program is one variable.
"""

from __future__ import annotations

import signal

import mlflow
import pytest

from conftest import TRAIN, run_here
from faults.interrupting import only_run, recorded, running, runs, wait_for


@pytest.mark.slow
@pytest.mark.parametrize("same", [False, True], ids=["a new run", "--run-id"])
def test_no_epoch_is_trained_twice(same, tmp_path, uninterrupted):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    first = client.create_run("0", run_name="able-newt-12").info.run_id
    with running(*TRAIN, cwd=tmp_path, environment={"MLFLOW_RUN_ID": first}) as process:
        wait_for(process, "epoch 2/")
        process.send_signal(signal.SIGKILL)
        process.wait()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    second = first if same else client.create_run("0", run_name="bold-wren-34").info.run_id
    done = run_here(*TRAIN, cwd=tmp_path, environment={"MLFLOW_RUN_ID": second})
    assert done.returncode == 0, done.stderr
    assert "epoch 1/6" not in done.stdout
    if same:
        assert f"continuing run {first} after epoch " in done.stdout
        assert recorded(only_run(tmp_path)) == uninterrupted
        return
    found = {run.info.run_id: run for run in runs(tmp_path)}
    assert found.keys() == {first, second}
    assert recorded(found[second]) == uninterrupted
    assert found[first].info.status == "KILLED"
    assert found[first].data.tags["error"] == f"continued in run {second}"
