"""Recorded runs repeated: identical, drifted, and not to be repeated at all."""

from __future__ import annotations

import shutil

import mlflow
import pytest

from conftest import FinishedRun, run_here


@pytest.fixture
def copied(finished_run, tmp_path):
    """A store of its own for tests that change it, and the run in it."""
    shutil.copy(finished_run.folder / "mlflow.db", tmp_path)
    (tmp_path / "mlruns").symlink_to(finished_run.folder / "mlruns")
    copy = FinishedRun(tmp_path, finished_run.output)
    mlflow.set_tracking_uri(copy.uri)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return copy, run.info.run_id


@pytest.mark.slow
def test_a_run_repeated_on_the_same_machine_is_bit_identical(copied):
    copy, run_id = copied
    done = run_here("verify", run_id, cwd=copy.folder)
    assert done.returncode == 0, done.stderr
    assert f"run {run_id} is reproduced: all 15 metrics and the weights are bit" in done.stdout
    mlflow.set_tracking_uri(copy.uri)
    assert len(mlflow.search_runs(search_all_experiments=True, output_format="list")) == 1


@pytest.mark.slow
def test_a_run_that_cannot_be_repeated_has_drifted_by_so_much_and_because(copied):
    copy, run_id = copied
    client = mlflow.MlflowClient()
    recorded = {m.step: m.value for m in client.get_metric_history(run_id, "val/loss")}
    client.log_metric(run_id, "val/loss", recorded[4] + 0.25, step=4)
    client.set_tag(run_id, "cpu", "another machine")
    client.set_tag(run_id, "weights.last.sha256", "0" * 64)
    client.set_tag(run_id, "code.training.sha256", "0" * 64)
    done = run_here("verify", run_id, cwd=copy.folder)
    assert done.returncode == 5, done.stderr
    assert "has drifted: 1 of 15 metrics" in done.stdout
    assert "val/loss: by up to 0.25, from step 4 on" in done.stdout
    assert "the weights after the last epoch are others" in done.stdout
    assert "differs: cpu: recorded 'another machine'" in done.stdout
    assert f"differs: code.training.sha256: recorded '{'0' * 64}'" in done.stdout


@pytest.mark.slow
def test_only_finished_training_runs_can_be_repeated(copied):
    copy, run_id = copied
    client = mlflow.MlflowClient()
    client.set_terminated(run_id, "FAILED")
    done = run_here("verify", run_id, cwd=copy.folder)
    assert done.returncode == 2
    assert "expected a finished training run" in done.stderr
    client.set_terminated(run_id, "FINISHED")
    client.set_tag(run_id, "role", "study")
    done = run_here("verify", run_id, cwd=copy.folder)
    assert done.returncode == 2
    assert "the role 'study'" in done.stderr
