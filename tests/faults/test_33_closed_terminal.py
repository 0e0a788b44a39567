"""Row 33: a closed terminal (SIGHUP) ends a run in order, unless ``nohup`` has asked for more."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
import pytest

from conftest import clean_environment

pytestmark = pytest.mark.slow


@contextmanager
def training(folder, *before: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has ended its first epoch."""
    with subprocess.Popen(
        [*before, sys.executable, "-m", "fashion_dropout", "train", "--dataset", "synthetic"],
        cwd=folder,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if re.match("epoch +2/", line):  # the checkpoint of the first is there
                break
        yield process


def status(folder) -> tuple[str, str]:
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run.info.status, run.data.tags.get("error", "")


def test_a_closed_terminal_leaves_a_killed_run(tmp_path):
    with training(tmp_path) as process:
        process.send_signal(signal.SIGHUP)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 129
    error, note = said.splitlines()
    assert error == "Error: stopped by SIGHUP"
    assert note.startswith("Note: the same command continues it after epoch ")
    assert status(tmp_path) == ("KILLED", "stopped by SIGHUP")


@pytest.mark.long
def test_under_nohup_the_run_outlives_its_terminal(tmp_path):
    with training(tmp_path, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "test accuracy" in said
    assert status(tmp_path) == ("FINISHED", "")
