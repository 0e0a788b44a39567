"""A store in which the model of a finished run is registered, for tests that only read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow

from conftest import FinishedRun

NAME = "fashion-mnist-cnn"


@dataclass(frozen=True)
class Registered:
    """The store, and the model that is version 1 and champion in it."""

    uri: str
    run_id: str
    model_id: str
    model: Path


@contextmanager
def using(uri: str) -> Iterator[None]:
    """Let MLflow use another store in this process."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield
    mlflow.set_tracking_uri(before)


def register(finished: FinishedRun, folder: Path) -> Registered:
    """Copy the store of a finished run to a folder, and make its model the champion there."""
    shutil.copy(finished.folder / "mlflow.db", folder)
    (folder / "mlruns").symlink_to(finished.folder / "mlruns")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with using(uri):
        client = mlflow.MlflowClient()
        (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
        (output,) = run.outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        client.create_registered_model(NAME)
        version = client.create_model_version(
            NAME, model.artifact_location, run.info.run_id, model_id=model.model_id
        )
        client.set_registered_model_alias(NAME, "champion", version.version)
    folder_of_model = Path(model.artifact_location.removeprefix("file://"))
    return Registered(uri, run.info.run_id, model.model_id, folder_of_model)
