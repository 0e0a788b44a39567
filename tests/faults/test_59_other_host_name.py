"""Row 59: the name of the machine has changed, as that of a laptop or of a container does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import mlflow
import pytest

from conftest import TRAIN, clean_environment, run_here
from fashion_dropout.studies.status import describe_status
from fashion_dropout.tracking.recording.outbox import Journal, journals
from fashion_dropout.tracking.recording.processes import HOST, this_process
from fashion_dropout.tracking.recording.recovery import tidy
from fashion_dropout.tracking.recording.unseen import tell_unseen
from fashion_dropout.tracking.store.connect import store_name
from faults.interrupting import only_run, wait_for

OLD = "old-laptop"
RENAMED = ("unshare", "--uts", "sh", "-c", f'hostname {OLD} && exec "$@"', "sh")
TOLD = f"`fashion-dropout sync --ended {OLD}`"


@pytest.mark.slow
def test_a_killed_run_is_one_thing_to_status_and_named_by_sync_which_takes_it_over(tmp_path):
    if subprocess.run([*RENAMED, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can give a process another host name")
    environment = {"FASHION_DROPOUT_STATE": str(tmp_path / "state")}
    with subprocess.Popen(
        [*RENAMED, sys.executable, "-m", "fashion_dropout", *TRAIN],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED="1", **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(process, "epoch 2/")
        process.send_signal(signal.SIGKILL)

    def said(*arguments: str) -> str:
        done = run_here(*arguments, cwd=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run = only_run(tmp_path)
    assert run.info.status == "RUNNING"
    status = said("status")
    assert f"interrupted: dropout-seed3-synthetic, run {run.info.run_id}, after epoch" in status
    assert "running: " not in status
    synced = said("sync")
    assert f"dropout-seed3-synthetic, run {run.info.run_id}: of {OLD}, " in synced
    assert TOLD in synced
    assert "nothing to do" not in synced
    assert only_run(tmp_path).info.status == "RUNNING"
    assert f"run {run.info.run_id}, as KILLED" in said("sync", "--ended", OLD)
    assert only_run(tmp_path).info.status == "KILLED"
    assert said("sync").startswith("nothing to do")
    assert f"continuing run {run.info.run_id} after epoch" in said(*TRAIN)
    assert only_run(tmp_path).info.status == "FINISHED"


@pytest.fixture
def elsewhere(store, workdir, monkeypatch):
    """A run of a process of another host, which says RUNNING."""
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    tags = {**this_process(), HOST: OLD, "role": "run"}
    return mlflow.MlflowClient().create_run("0", tags=tags, run_name="far").info.run_id


def synced(ended: str | None = None) -> str:
    lines: list[str] = []
    tidy(lines.append, all_stores=True, ended=ended)
    tell_unseen(lines.append, ended)
    return "\n".join(lines)


def status_of(run_id: str) -> str:
    return mlflow.get_run(run_id).info.status


def test_nothing_is_marked_before_the_user_says_so(elsewhere):
    assert synced() == (
        f"far, run {elsewhere}: of {OLD}, where a process cannot be seen from here; if it has "
        f"ended, or if this machine had that name, type {TOLD}"
    )
    assert TOLD in describe_status()
    for wrong in ("another-host", socket.gethostname(), "0" * 32, ""):
        assert TOLD in synced(ended=wrong)
        assert status_of(elsewhere) == "RUNNING"


@pytest.mark.parametrize("by", ["host", "run"])
def test_what_the_user_names_is_taken_over_with_its_journal(elsewhere, by):
    about = {"store": store_name(mlflow.get_tracking_uri()), "name": "far", **this_process()}
    journal = Journal(journals() / elsewhere, {**about, HOST: OLD})
    journal.write("metrics", metrics={"a": 0.5}, step=1, of_model=False, dataset=None)
    journal.close(remove=False)
    assert TOLD in synced()
    assert (status_of(elsewhere), mlflow.get_run(elsewhere).data.metrics) == ("RUNNING", {})
    assert f"undelivered: far, run {elsewhere}: 1 entry waits" in describe_status()
    assert f"run {elsewhere}, as KILLED" in synced(ended=OLD if by == "host" else elsewhere)
    run = mlflow.get_run(elsewhere)
    assert (run.info.status, run.data.metrics) == ("KILLED", {"a": 0.5})
    assert synced() == ""


def test_a_process_that_is_seen_to_live_is_not_taken_for_dead(elsewhere):
    here = mlflow.MlflowClient().create_run("0", tags={**this_process(), "role": "run"})
    for ended in (here.info.run_id, socket.gethostname(), str(os.getpid())):
        synced(ended=ended)
        assert status_of(here.info.run_id) == "RUNNING"
