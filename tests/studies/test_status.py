"""What `status` says of runs that were interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.runs.identity import Identity
from fashion_dropout.runs.interrupted import folder_of_runs
from fashion_dropout.runs.run_folder import run_folder
from fashion_dropout.studies.status import describe_status
from fashion_dropout.tracking.recording.previous import place_of_next_run
from fashion_dropout.tracking.store.relocation import relocate


@pytest.fixture
def project(store: str, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a store of its own."""
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    (folder := workdir / "project").mkdir()
    shutil.copy(workdir / "mlflow.db", folder)
    monkeypatch.chdir(folder)  # where MLflow puts the files of a new experiment
    use(folder)
    return folder


def use(folder: Path) -> str:
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    return uri


def interrupted(config: TrainingConfig) -> tuple[str, Identity]:
    """A run with a checkpoint of its second epoch, and what it is."""
    place = place_of_next_run(None)
    run = mlflow.MlflowClient().create_run(place.experiment_id, run_name="a run")
    for name, value in config.model_dump().items():
        mlflow.MlflowClient().log_param(run.info.run_id, name, value)
    identity = Identity(place.digest, "", "dropout", config.model_dump(), {})
    with run_folder(identity) as folder:
        folder.begin(run.info.run_id, "a run", place.name, {}, 0)
        folder.save(2, {"weights/000": np.zeros(3, dtype=np.float32)})
    return run.info.run_id, identity


def test_a_run_goes_on_until_its_store_is_moved(project, workdir):
    run_id, identity = interrupted(TrainingConfig(dropout=0.4, epochs=6))
    assert f"to go on: fashion-dropout train --resume {run_id}" in describe_status()
    moved = project.rename(workdir / "moved")
    relocate(use(moved))
    status = describe_status()
    assert "--resume" not in status
    again = "fashion-dropout train --dropout=0.4 --epochs=6"
    assert status.splitlines()[1:] == [
        f"interrupted: a run, run {run_id}, after epoch 2 of 6, before its store was moved: it "
        "cannot go on",
        f"  to run it again: {again}; then remove {folder_of_runs() / identity.asked}",
    ]
