"""Row 58: `mlflow run` makes its run first, and then finds no conda or uv to start the program."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import yaml

from conftest import ROOT, clean_environment, run_command
from fashion_dropout.studies.status import describe_status
from fashion_dropout.tracking.recording.unseen import TELLING, tell_unseen
from test_mlflow_run import MLFLOW, only_run


def test_each_entry_point_is_known_by_one_of_its_parameters():
    entry_points = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    assert entry_points.keys() == TELLING.keys()
    assert all(TELLING[name] in point["parameters"] for name, point in entry_points.items())


def launcher(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`mlflow run` of this project, with no programs on its PATH but those of the folder `bin`."""
    (folder / "bin").mkdir(exist_ok=True)
    return subprocess.Popen(
        [MLFLOW, "run", str(ROOT), *arguments],
        cwd=folder,
        env=clean_environment(
            PATH=f"{folder / 'bin'}:/usr/bin:/bin",
            MLFLOW_ENV_ROOT=str(folder / "envs"),  # an environment of an earlier launch would do
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def recorded(folder: Path) -> tuple[str, str, str]:
    """Id, name and status of the one run; MLflow would keep the database open in this process."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        ((run_id, name, status),) = database.execute("select run_uuid, name, status from runs")
    return run_id, name, status


def asked(verb: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`status` or `sync` of somebody who has nothing else left over."""
    state = {"FASHION_DROPOUT_STATE": str(folder / "state")}
    return run_command(verb, cwd=folder, environment=state)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "program"), [((), "conda"), (("--env-manager", "uv", "-e", "verify"), "uv")]
)
def test_the_run_of_a_launcher_that_has_failed_is_known_and_marked(tmp_path, arguments, program):
    given = ("-P", f"run_id={'0' * 32}") if "verify" in arguments else ()
    said, _ = (process := launcher(tmp_path, *arguments, *given)).communicate(timeout=120)
    assert process.returncode != 0
    assert program in said.lower()
    run_id, name, status = recorded(tmp_path)
    assert status == "RUNNING", "MLflow has mended it: this row is of the past"
    told = asked("status", tmp_path)
    assert f"never begun: {name}, run {run_id}: " in told.stdout
    synced = asked("sync", tmp_path)
    assert synced.returncode == 0, synced.stderr
    assert f"marked {name}, run {run_id}, as KILLED" in synced.stdout
    run = only_run(tmp_path)
    assert run.info.status == "KILLED"
    assert "before it could start the program" in run.data.tags["error"]
    assert "No runs in progress" in asked("status", tmp_path).stdout
    assert asked("sync", tmp_path).stdout.startswith("nothing to do")


@pytest.mark.slow
def test_a_run_whose_environment_is_being_built_is_left_alone(tmp_path):
    (tmp_path / "bin").mkdir()
    conda = tmp_path / "bin/conda"
    conda.write_text(f"#!/bin/sh\ntouch {tmp_path}/building\nexec sleep 600\n")
    conda.chmod(0o755)
    process = launcher(tmp_path)
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "building").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        run_id, _, _ = recorded(tmp_path)
        status, synced = (asked(verb, tmp_path) for verb in ("status", "sync"))
        for told in (status, synced):
            assert told.returncode == 0, told.stderr
            assert f"`fashion-dropout sync --ended {run_id}`" in told.stdout
            assert "may be building its environment" in told.stdout
        assert recorded(tmp_path)[-1] == "RUNNING"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    marked = asked("sync", tmp_path)
    assert "as KILLED" in marked.stdout, marked.stderr


@pytest.fixture
def launched(store):
    """A run as `mlflow run` leaves it, made so many hours ago."""

    def make(hours: float, entry_point: str = "main", **params: str) -> str:
        client = mlflow.MlflowClient()
        begun = int((time.time() - 3600 * hours) * 1000)
        tags = {"mlflow.source.type": "PROJECT", "mlflow.project.entryPoint": entry_point}
        run_id = client.create_run("0", begun, tags).info.run_id
        for name, value in params.items():
            client.log_param(run_id, name, value)
        return run_id

    return make


def synced(ended: str | None = None) -> str:
    lines: list[str] = []
    tell_unseen(lines.append, ended)
    return "\n".join(lines)


def test_where_other_programs_have_the_store_open_only_time_tells(launched, workdir, monkeypatch):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    young, old = launched(23, split_seed="0"), launched(25, split_seed="0")
    foreign = launched(25, alpha="0.5"), launched(25, "train", split_seed="0")
    program = "import sys; kept = open('mlflow.db'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as ui:
        ui.stdout.readline()
        told = describe_status()
        assert f", run {old}: `mlflow run` made this run, and has ended" in told
        assert f", run {young}: `mlflow run` may be building" in told
        said = synced()
        assert f"run {old}, as KILLED" in said
        assert f"run {young}: `mlflow run` may be building" in said
        assert f"run {young}, as KILLED" in synced(ended=young)
        assert synced() == ""
        ui.communicate()
    assert not any(run_id in told + said for run_id in foreign)
    assert {mlflow.get_run(run_id).info.status for run_id in foreign} == {"RUNNING"}


def test_a_mark_that_was_wrong_is_taken_back_when_the_program_begins(launched, monkeypatch):
    from fashion_dropout.tracking.recording.run import tracked_run

    run_id = launched(25, split_seed="0")
    assert f"run {run_id}, as KILLED" in synced()
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with tracked_run(name="n", description="d", params={}, tags={"role": "run"}) as run:
        assert run.run_id == run_id
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert "error" not in run.data.tags
