"""Row 33: a closed terminal (SIGHUP) ends a run in order, unless ``nohup`` has asked for more.

That it ends in order is held with the other signals: `test_05_stopped_by_a_signal.py`.
"""

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

TRAIN = ("train", "--dataset", "synthetic", "--epochs", "6")


@contextmanager
def training(folder, *before: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has ended its first epoch."""
    with subprocess.Popen(
        [*before, sys.executable, "-m", "fashion_dropout", *TRAIN],
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


def test_under_nohup_the_run_outlives_its_terminal(tmp_path):
    with training(tmp_path, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "test accuracy" in said
    assert status(tmp_path) == ("FINISHED", "")
