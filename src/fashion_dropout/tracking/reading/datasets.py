"""The images that a run was given."""

from __future__ import annotations

import json

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT


def image_counts(run: Run) -> dict[str, int]:
    """``training``, ``validation``, ``test`` → the number of images that the run was given."""
    counts = {}
    for given in run.inputs.dataset_inputs:
        context = {tag.key: tag.value for tag in given.tags}[MLFLOW_DATASET_CONTEXT]
        counts[context] = int(json.loads(given.dataset.profile)["features_shape"][0])
    return counts
