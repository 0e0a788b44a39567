"""Row 11: the disk is full, or may not be written to, while artifacts or the model are stored."""

from __future__ import annotations

import subprocess

import mlflow
import pytest

from conftest import run_command, run_here
from faults.interrupting import running, wait_for
from faulty import fill, obeying_rights, refusal, small_disk
from registered import using

pytestmark = pytest.mark.slow

TRAIN = ("train", "--dataset", "synthetic", "--epochs", "1")


def the_only_run(uri: str):
    """The run in a store; nothing may be registered there."""
    with using(uri):
        assert mlflow.MlflowClient().search_registered_models() == []
        (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


@pytest.fixture
def uri(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def test_a_full_disk_while_the_model_is_stored_fails_the_run_in_one_line(tmp_path, uri):
    with small_disk(tmp_path / "disk", 500) as disk:
        done = run_command(*TRAIN, cwd=disk, environment={"MLFLOW_TRACKING_URI": uri})
    assert "No space left on device" in refusal(done, 1)
    run = the_only_run(uri)
    assert run.info.status == "FAILED"
    assert "No space left on device" in run.data.tags["error"]


def test_a_full_folder_of_states_fails_the_run_in_one_line(tmp_path, uri):
    with small_disk(tmp_path / "disk", 500) as disk:
        environment = {"MLFLOW_TRACKING_URI": uri, "FASHION_DROPOUT_STATE": str(disk)}
        done = run_command(*TRAIN, cwd=tmp_path, environment=environment)
    line = refusal(done, 1)
    assert "No space left on device" in line
    assert str(disk) in line
    assert the_only_run(uri).info.status == "FAILED"


def test_a_full_folder_for_temporary_files_does_no_harm(tmp_path, uri):
    with small_disk(tmp_path / "disk", 4) as disk:
        (disk / "full").write_bytes(b"x" * 4096)
        environment = {"MLFLOW_TRACKING_URI": uri, "TMPDIR": str(disk)}
        done = run_command(*TRAIN, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert the_only_run(uri).info.status == "FINISHED"


def test_no_right_to_the_artifacts_fails_the_run_in_one_line(tmp_path, uri):
    (tmp_path / "here" / "mlruns").mkdir(parents=True)
    (tmp_path / "here" / "mlruns").chmod(0o500)
    done = run_command(
        *TRAIN,
        cwd=tmp_path / "here",
        environment={"MLFLOW_TRACKING_URI": uri},
        before=obeying_rights(),
    )
    assert "Permission denied" in refusal(done, 1)
    assert the_only_run(uri).info.status == "FAILED"


def test_a_full_disk_under_a_new_database_is_one_line(tmp_path):
    with small_disk(tmp_path / "disk", 700) as disk:
        done = run_command(*TRAIN, cwd=disk)
    assert "epoch" not in done.stdout
    assert "full" in refusal(done, 1)


def test_a_disk_that_fills_up_under_the_database_loses_nothing(tmp_path):
    state = {"FASHION_DROPOUT_STATE": str(tmp_path / "state")}
    with small_disk(tmp_path / "disk", 2_000) as disk:
        with running(*TRAIN[:-1], "6", cwd=disk, environment=state) as process:
            wait_for(process, "epoch 2/6")
            fill(disk)
            shown, said = process.communicate(timeout=120)
        assert "epoch 6/6" in shown
        assert process.returncode == 6, said
        warning, error = said.splitlines()
        assert warning.startswith("warning: MLflow does not answer: ")
        assert "database or disk is full" in warning
        assert "type `fashion-dropout sync`" in error
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        synced = run_here("sync", cwd=disk, environment=state)
        assert synced.returncode == 0, synced.stderr
        run = the_only_run(f"sqlite:///{disk / 'mlflow.db'}")
        assert run.info.status == "FINISHED"
        assert run.data.metrics["val/loss"] > 0
