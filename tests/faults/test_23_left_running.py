"""Row 23: a run that a killed process left RUNNING is marked by `sync`, on any kind of store."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, clean_environment, run_command, run_here
from postgresql import postgresql, programs_of_postgresql
from tracking_server import tracking_server

CHILD = """
import sys
import tempfile
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.connect import connect

connect()
with tracked_run(name="dead", description="d", params={}, tags={"role": "run"}) as run:
    run.log_metrics({"val/loss": 0.5}, step=1)
    run.settle()
    print(run.run_id, flush=True)
    sys.stdin.read()
"""


def check(folder: Path, uri: str) -> None:
    environment = {
        "MLFLOW_TRACKING_URI": uri,
        "FASHION_DROPOUT_STATE": str(folder / "state"),
    }
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=folder,
        env=clean_environment(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        run_id = process.stdout.readline().strip()
        alive = run_here("status", cwd=folder, environment=environment)
        assert f"running: dead, run {run_id}, process {process.pid} on " in alive.stdout
        spared = run_here("sync", cwd=folder, environment=environment)
        assert spared.stdout.startswith("nothing to do"), "the process of the run lives"
        process.send_signal(signal.SIGKILL)
    dead = run_here("status", cwd=folder, environment=environment)
    assert f"interrupted: dead, run {run_id}, still says RUNNING" in dead.stdout
    marked = run_here("sync", cwd=folder, environment=environment)
    assert marked.returncode == 0, marked.stderr
    assert f"marked dead, run {run_id}, as KILLED" in marked.stdout
    mlflow.set_tracking_uri(uri)
    run = mlflow.get_run(run_id)
    assert run.info.status == "KILLED"
    assert "without saying so" in run.data.tags["error"]
    assert run.data.metrics["val/loss"] == 0.5
    idle = run_here("status", cwd=folder, environment=environment)
    assert "No runs in progress; everything is delivered." in idle.stdout


def test_a_folder_without_a_store_gets_none_by_being_asked(tmp_path):
    environment = {"FASHION_DROPOUT_STATE": str(tmp_path / "state")}
    asked = run_here("status", cwd=tmp_path, environment=environment)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines() == [
        f"store sqlite:///{tmp_path}/mlflow.db: there is none yet",
        "No runs in progress; everything is delivered.",
    ]
    synced = run_here("sync", cwd=tmp_path, environment=environment)
    assert synced.returncode == 0, synced.stderr
    assert synced.stdout.startswith("nothing to do")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_on_sqlite(tmp_path):
    check(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.mark.slow
def test_over_http(tmp_path):
    with tracking_server(tmp_path) as address:
        check(tmp_path, address)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not programs_of_postgresql(), reason="no PostgreSQL on this machine")
def test_on_postgresql(tmp_path):
    with postgresql() as server:
        uri = server.uri
        check(tmp_path, uri)
        environment = {
            "MLFLOW_TRACKING_URI": uri,
            "FASHION_DROPOUT_STATE": str(tmp_path / "state"),
        }
        smoke = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
        study = tmp_path / "study.toml"
        study.write_text(smoke.replace("[0, 1, 2]", "[0]"), encoding="utf-8")
        compared = run_command(
            "compare", str(study), "--workers", "2", cwd=tmp_path, environment=environment
        )
        assert compared.returncode == 0, compared.stderr
        assert "psycopg" not in compared.stdout + compared.stderr
        runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
        states = [run.info.status for run in runs]
        assert sorted(states) == ["FINISHED"] * 3 + ["KILLED"]  # two cells, the study; the dead one
