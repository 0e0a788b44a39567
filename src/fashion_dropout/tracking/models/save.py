"""Models in MLflow: stored with all that is needed to load, serve and trace them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import mlflow.keras
import mlflow.pyfunc
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec
from numpy.typing import NDArray

from fashion_dropout import environment
from fashion_dropout.errors import TrackingError
from fashion_dropout.provenance import version
from fashion_dropout.tracking.models import loader
from fashion_dropout.tracking.store.calls import asks_mlflow, one_line
from fashion_dropout.tracking.store.timeouts import FILES_SECONDS

_NEEDS = ("keras", "numpy", "tensorflow")


def signature(shape: tuple[int, ...], classes: int) -> ModelSignature:
    """What a served classifier takes and gives: grey values of images of a shape in, probabilities
    of so many classes out; see `loader`.
    """
    images = TensorSpec(np.dtype(np.float32), (-1, *shape))
    probabilities = TensorSpec(np.dtype(np.float32), (-1, classes))
    return ModelSignature(Schema([images]), Schema([probabilities]))


def save_classifier(
    classifier: Any, folder: Path, *, classes: Sequence[str], example: NDArray[np.uint8]
) -> None:
    """Write the files of a model: those of `mlflow.keras`, with `loader` as the loader of its
    Python function.

    `mlflow.keras` loads the classifier itself, which takes uint8. As MLflow's Python function,
    which is what MLflow serves, it takes float32 and refuses what is no whole number from 0 to
    255; the signature is that of the Python function.

    The folder is made before MLflow needs it: `mlflow.keras.save_model` writes the input example
    into it first (mlflow/mlflow issue 16183, open in 3.17.2).

    Args:
        classifier: A Keras model from uint8 (n, 28, 28, 1) to float32 (n, 10).
        folder: Where to, e.g. what `TrackedRun.model` gives.
        classes: The names of its classes, by label, stored with it.
        example: Some images, uint8 of shape (k, 28, 28, 1), stored with it.
    """
    (folder / "code").mkdir(parents=True)
    model = Model()
    mlflow.keras.save_model(
        classifier,
        str(folder),
        mlflow_model=model,
        signature=signature(example.shape[1:], classifier.output_shape[-1]),
        input_example=example.astype(np.float32),
        pip_requirements=[f"{name}=={version(name)}" for name in _NEEDS],
    )
    for module, name in ((loader, loader.LOADER), (environment, loader.ENVIRONMENT)):
        copyfile(str(module.__file__), folder / "code" / f"{name}.py")
    variables = json.dumps(environment.of_model(), indent=2)
    (folder / loader.ENVIRONMENT_FILE).write_text(f"{variables}\n", encoding="utf-8")
    names = json.dumps(list(classes), ensure_ascii=False, indent=2)
    (folder / loader.CLASSES_FILE).write_text(f"{names}\n", encoding="utf-8")
    loader.write_checksums(
        folder, loader.WEIGHTS_FILE, loader.CLASSES_FILE, loader.ENVIRONMENT_FILE
    )
    mlflow.pyfunc.add_to_model(
        model,
        loader_module=loader.LOADER,
        code="code",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
    )
    model.save(str(folder / "MLmodel"))


def _check_flavor(model: Model) -> None:
    """Refuse a model whose description sends the loader to another file than the verified one."""
    flavor = model.flavors.get("keras", {})
    if flavor.get("data") != "data" or flavor.get("save_exported_model"):
        raise ValueError(f"expected a Keras model in {loader.WEIGHTS_FILE}, received {flavor!r}")


@asks_mlflow(seconds=FILES_SECONDS)
def _downloaded(model_id: str, folder: str) -> Path:
    location = mlflow.MlflowClient().get_logged_model(model_id).artifact_location
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=folder))


def load_logged(model_id: str) -> tuple[Any, ModelSignature | None]:
    """Read a logged model back: the Keras model, and the signature that it declares, if any.

    Raises:
        TrackingError: It is missing or damaged.
    """
    try:
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            local = _downloaded(model_id, folder)
            loader.verify_checksums(local)
            stored = Model.load(local)
            _check_flavor(stored)
            classifier = mlflow.keras.load_model(
                str(local), load_model_kwargs={"compile": False, "safe_mode": True}
            )
        return classifier, stored.signature
    except (TrackingError, MlflowException, OSError, ValueError) as error:
        raise TrackingError(
            f"expected the model {model_id} to be whole, received: {one_line(error)}"
        ) from error
