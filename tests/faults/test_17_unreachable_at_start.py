"""Rows 17, 20 and 35: a store that does not answer at the start is one clear line within 30 s."""

from __future__ import annotations

import sqlite3
import time

import pytest

from conftest import run_command, run_here
from tracking_server import proxied

TRAIN = ("train", "--dataset", "synthetic", "--epochs", "1")


def refusal(folder, run=run_command, **environment: str) -> str:
    began = time.monotonic()
    environment["FASHION_DROPOUT_STATE"] = str(folder / "state")
    done = run(*TRAIN, cwd=folder, environment=environment)
    assert time.monotonic() - began < 60, (
        "25 s for the store, the rest for imports on a busy machine"
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: expected an MLflow tracking store at ")
    assert not (folder / "state").exists(), "a run was begun"
    return line


@pytest.mark.parametrize(
    ("mode", "run"),
    [
        ("redirect", run_here),
        *(pytest.param(m, run_here, marks=pytest.mark.slow) for m in ("drop", "busy")),
        *(pytest.param(m, run_command, marks=pytest.mark.slow) for m in ("silent", "drip")),
    ],
)
def test_a_server_that_gives_no_answer_is_given_up(tmp_path, mode, run):
    with proxied("") as proxy:
        proxy.mode = mode
        line = refusal(tmp_path, run, MLFLOW_TRACKING_URI=proxy.address)
        assert proxy.address in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # 15 s of waiting for the other writer
def test_a_database_that_another_program_has_locked_is_given_up(tmp_path):
    whole = run_command("train", "--dataset", "synthetic", "--epochs", "1", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as other:
        other.execute("begin exclusive")
        assert "database is locked" in refusal(tmp_path)
