"""Row 21: several first starts at once on an empty store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import mlflow
import pytest

from conftest import clean_environment

START = """
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.connect import connect

connect()
with tracked_run(name="first", description="", params={"seed": 1}, tags={"role": "run"}) as run:
    run.log_metrics({"val/loss": 0.5}, step=1)
"""


@pytest.mark.slow
def test_several_first_starts_at_once_make_one_store_with_all_runs(tmp_path):
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=tmp_path,
            env=clean_environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        _, said = start.communicate(timeout=300)
        assert (start.returncode, said) == (0, "")
    count = "select count(*) from experiments where name = 'fashion-mnist-dropout'"
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute(count).fetchone() == (1,)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert [run.data.metrics["val/loss"] for run in runs] == [0.5] * 4
