"""Row 39: standard output is closed, a full device, or a pipe that ends early."""

from __future__ import annotations

import subprocess
import sys

import mlflow
import pytest

from conftest import clean_environment

TRAIN = "train --dataset synthetic --epochs 3"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "exit_code", "status"),
    [
        (">/dev/full", 1, "FAILED"),
        ("| head -1", 1, "FAILED"),
        (">&-", 0, "FINISHED"),
        ("2>&-", 0, "FINISHED"),
        (">&- 2>&-", 0, "FINISHED"),
    ],
)
def test_the_runs_end_is_recorded(tmp_path, redirected, exit_code, status):
    command = f"{sys.executable} -m fashion_dropout {TRAIN}"
    done = subprocess.run(
        ["bash", "-c", f"{command} {redirected}; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    assert len(done.stderr.splitlines()) <= 1
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.info.status == status
