"""Row 69: a team's server is older than the program, and still has all that a study needs."""

from __future__ import annotations

import shutil
import subprocess

import mlflow
import pytest

from conftest import ROOT, run_command
from fashion_dropout.tracking.pages import views
from tracking_server import tracking_server

# The first with stored models are those of MLflow 3; they admit packages that they cannot import.
OLD = ("mlflow==3.1.4", "sqlalchemy<2.1", "setuptools<81")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the path")
def test_a_study_on_a_server_of_mlflow_3_1_has_its_verdict_and_its_pages(workdir):
    text = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
    study = workdir / "smoke.toml"
    study.write_text(text.replace("[0, 1, 2]", "[0]"), encoding="utf-8")
    python = ("uv", "run", "--isolated", "--no-project", *(f"--with={each}" for each in OLD))
    if subprocess.run([*python, "python", "-c", "import mlflow"], check=False).returncode:
        pytest.skip("MLflow 3.1.4 is not here and cannot be fetched")
    with tracking_server(workdir, python=(*python, "python")) as server:
        own = {"MLFLOW_TRACKING_URI": server}
        ran = [
            run_command("compare", str(study), "--workers", "1", cwd=workdir, environment=own)
            for _ in range(2)
        ]
        client = mlflow.MlflowClient(server)
        experiment = client.get_experiment_by_name("fashion-mnist-dropout")
        kept = [name for name in experiment.tags if name.startswith(views.TAG)]
    assert [done.returncode for done in ran] == [0, 0], [done.stderr for done in ran]
    first, again = (done.stdout for done in ran)
    assert "missing:" not in first and "n = 1 pair" in first
    assert "warning: the page" not in first + ran[0].stderr
    assert len(kept) == 2
    assert "0 of 2 cells to run" in again
