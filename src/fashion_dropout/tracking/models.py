"""Models in MLflow: stored with all that is needed to load, serve and trace them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import mlflow.keras
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Schema, TensorSpec
from numpy.typing import NDArray

_NEEDS = ("keras", "numpy", "tensorflow")


@dataclass(frozen=True)
class LoggedModel:
    """A model in MLflow: its id and the URI to load it by."""

    model_id: str
    uri: str


class _KerasFlavor:
    """`mlflow.keras`, but for a fault: it writes the input example into a folder that it makes
    only afterwards (mlflow/mlflow issue 16183, open in 3.17.2).
    """

    __name__ = mlflow.keras.__name__

    @staticmethod
    def save_model(path: str, **arguments: Any) -> None:
        Path(path).mkdir(parents=True)
        arguments.pop("validate_serving_input")
        mlflow.keras.save_model(path=path, **arguments)


def log_classifier(
    classifier: Any,
    *,
    example: NDArray[np.uint8],
    step: int,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
) -> LoggedModel:
    """Store a Keras classifier as a model of the active run.

    Its signature is enforced by MLflow to the exact dtype: uint8 in, everything else refused.

    Args:
        classifier: A Keras model from uint8 (n, 28, 28, 1) to float32 (n, 10).
        example: Some images, uint8 of shape (k, 28, 28, 1), stored with it.
        step: The epoch that the model is of; the run's metrics of that step become its own.
        params: Shown with the model.
        tags: Shown with the model.
    """
    images = TensorSpec(np.dtype(np.uint8), (-1, *example.shape[1:]))
    probabilities = TensorSpec(np.dtype(np.float32), (-1, *classifier.output_shape[1:]))
    info = Model.log(
        artifact_path=None,
        name="model",
        flavor=_KerasFlavor(),
        model=classifier,
        signature=ModelSignature(Schema([images]), Schema([probabilities])),
        input_example=example,
        validate_serving_input=False,  # it would load the model again; a test does so instead
        pip_requirements=[f"{name}=={version(name)}" for name in _NEEDS],
        params=dict(params),
        tags=dict(tags),
        step=step,
    )
    return LoggedModel(info.model_id, info.model_uri)
