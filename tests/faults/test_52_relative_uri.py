"""Row 52: a relative SQLite URI, which means another file in another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from conftest import clean_environment, run_command
from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.store.connect import connect, connect_to_existing
from test_mlflow_run import MLFLOW, SMALL, repository  # noqa: F401

RELATIVE = "sqlite:///mlflow.db"


@pytest.fixture
def relative(store: str, workdir: Path) -> str:
    """MLflow uses a relative URI in this process, in an empty folder."""
    mlflow.set_tracking_uri(RELATIVE)
    return RELATIVE


def test_it_is_fine_where_one_stands_and_absolute_from_then_on(relative, workdir, monkeypatch):
    connect()
    assert mlflow.get_tracking_uri() == f"sqlite:///{workdir}/mlflow.db"
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    mlflow.set_tracking_uri(relative)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)  # as of `mlflow run .`
    connect_to_existing()
    assert mlflow.get_run(run_id).info.status == "RUNNING"


@pytest.mark.parametrize("open_store", [connect, connect_to_existing])
@pytest.mark.parametrize("other", [False, True], ids=["none", "another store"])
def test_under_mlflow_run_it_is_refused_elsewhere(
    relative, workdir, monkeypatch, open_store, other
):
    if other:
        connect()
        mlflow.set_tracking_uri(relative)
    before = sorted(workdir.iterdir())
    monkeypatch.setenv("MLFLOW_RUN_ID", "a" * 32)
    with pytest.raises(UsageError) as refused:
        open_store()
    said = str(refused.value)
    assert f"received {relative}, which is {workdir}/mlflow.db in the folder" in said
    assert "MLFLOW_TRACKING_URI=sqlite:///$PWD/mlflow.db" in said
    assert sorted(workdir.iterdir()) == before


@pytest.mark.slow  # processes
def test_a_launched_program_makes_no_database(tmp_path):
    launched = {"MLFLOW_RUN_ID": "a" * 32, "MLFLOW_TRACKING_URI": RELATIVE}
    for command in (("train", "--dataset", "synthetic"), ("train", "--dropout", "2"), ("history",)):
        done = run_command(*command, cwd=tmp_path, environment=launched)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_mlflow_run_from_another_folder_says_what_to_type(repository, tmp_path):  # noqa: F811
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def launch(uri: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MLFLOW, "run", str(repository), "--env-manager", "local", *SMALL],
            cwd=folder,
            env=clean_environment(PATH=path, MLFLOW_TRACKING_URI=uri),
            capture_output=True,
            text=True,
            check=False,
        )

    refused = launch(RELATIVE)
    assert refused.returncode != 0
    assert f"which is {repository}/mlflow.db in the folder where the program runs" in refused.stderr
    assert not (repository / "mlflow.db").exists()
    done = launch(f"sqlite:///{folder}/mlflow.db")  # as it says
    assert done.returncode == 0, done.stderr
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED"]
