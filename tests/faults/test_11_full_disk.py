"""Row 11: the disk is full, or may not be written to, while artifacts or the model are stored."""

from __future__ import annotations

import mlflow
import pytest

from conftest import run_command
from faulty import obeying_rights, refusal, small_disk
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


def test_a_full_folder_for_temporary_files_fails_the_run_in_one_line(tmp_path, uri):
    with small_disk(tmp_path / "disk", 500) as disk:
        environment = {"MLFLOW_TRACKING_URI": uri, "TMPDIR": str(disk)}
        done = run_command(*TRAIN, cwd=tmp_path, environment=environment)
    line = refusal(done, 1)
    assert "No space left on device" in line
    assert "TMPDIR" in line
    assert the_only_run(uri).info.status == "FAILED"


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


@pytest.mark.parametrize("kilobytes", [700, 1_000], ids=["at its start", "in mid-run"])
def test_a_full_disk_under_the_database_is_one_line(tmp_path, kilobytes):
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        done = run_command(*TRAIN[:-1], "60", cwd=disk)
    assert ("epoch  1/60" in done.stdout) == (kilobytes == 1_000)
    assert "full" in refusal(done, 1)
