"""Row 52: a relative SQLite URI, which means another file in another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

from conftest import clean_environment, run_command
from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.store.connect import connect, connect_to_existing
from test_mlflow_run import MLFLOW, SMALL, repository  # noqa: F401
from tracking_server import HOST, free_port

RELATIVE = "sqlite:///mlflow.db"
STUDY = """
name = "relative"
question = "Does a worker elsewhere use the same store?"
dataset = "synthetic"
seeds = [0]
[base]
epochs = 1
[regimes.none]
dropout = 0.0
[regimes.dropout]
dropout = 0.5
[decision]
primary = "gap/loss"
direction = "lower"
smallest_difference = 0.02
alpha = 0.05
baseline = "none"
"""


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


@contextmanager
def dask(folder: Path) -> Iterator[str]:
    """A scheduler and a worker that work in another folder; the scheduler's address."""
    address = f"tcp://{HOST}:{free_port()}"
    arguments = (
        ("scheduler", "--host", address, "--no-dashboard"),
        ("worker", address, "--no-dashboard", "--no-nanny", "--nthreads", "1"),
    )
    environment = clean_environment()
    processes = []
    try:
        for verb, *rest in arguments:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{verb}", *rest],
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        yield address
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_worker_in_another_folder_uses_the_same_store(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "study.toml").write_text(STUDY)
    with dask(there) as scheduler:
        done = run_command(
            *("compare", "study.toml", "--scheduler", scheduler),
            cwd=here,
            environment={"MLFLOW_TRACKING_URI": RELATIVE},
            timeout=500,
        )
    assert done.returncode == 0, done.stderr + done.stdout
    assert not list(there.glob("mlflow.db*"))
    mlflow.set_tracking_uri(f"sqlite:///{here}/mlflow.db")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
