"""Rows 23, 31 and 32: `kill -9` of the program that runs a study, and the same command again.

That a killed worker costs a cell its time but not its place: `tests/studies/test_compare.py`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter

import mlflow
import pytest

from conftest import ROOT, clean_environment, run_command

SMOKE = ROOT / "experiments/dropout/smoke.toml"


def all_runs(folder, role: str) -> list[mlflow.entities.Run]:
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    return mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.role = '{role}'", output_format="list"
    )


@pytest.mark.slow
def test_no_run_of_a_killed_study_stays_running(tmp_path):
    study = tmp_path / "study.toml"
    text = SMOKE.read_text(encoding="utf-8").replace("[0, 1, 2]", "[0, 1]")
    study.write_text(text.replace("epochs = 3", "epochs = 12"), encoding="utf-8")
    state = {"FASHION_DROPOUT_STATE": str(tmp_path / "state")}
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", "compare", str(study), "--workers", "2"],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED="1", **state),
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "epoch 4/12" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    left = [run for run in all_runs(tmp_path, "run") if run.info.status == "RUNNING"]
    names = {run.info.run_id: run.info.run_name for run in left}
    assert names
    status = run_command("status", cwd=tmp_path, environment=state)
    for run_id, name in names.items():
        assert status.stdout.count(f"interrupted: {name}, run {run_id}") == 1
    assert "fashion-dropout compare" in status.stdout
    again = run_command("compare", str(study), "--workers", "2", cwd=tmp_path, environment=state)
    assert again.returncode == 0, again.stderr
    runs = all_runs(tmp_path, "run")
    finished = Counter(run.info.run_name for run in runs if run.info.status == "FINISHED")
    assert finished == {f"{r}-seed{s}-synthetic": 1 for r in ("none", "dropout") for s in (0, 1)}
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    (whole,) = all_runs(tmp_path, "study")
    assert whole.info.status == "FINISHED"
    assert "verdict" in whole.data.tags
    assert "error" not in whole.data.tags
    assert run_command("sync", cwd=tmp_path, environment=state).stdout.startswith("nothing to do")
