"""Checks of a stored model before it is promoted: is it whole, and does it predict as recorded?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlflow.entities import Run
from mlflow.models import ModelSignature
from numpy.typing import NDArray

from fashion_dropout.errors import DataError, TrackingError
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning import metrics
from fashion_dropout.learning.arrays import read_arrays
from fashion_dropout.learning.split import split_of
from fashion_dropout.promotion.candidate import Candidate
from fashion_dropout.promotion.gate import Check
from fashion_dropout.runs.description import kernel_tags
from fashion_dropout.sameness import changes
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store import tags


@dataclass(frozen=True)
class ValidationPredictions:
    """What a run's model predicted for the validation images, as the run recorded it.

    Attributes:
        probabilities: float32 of shape (n, classes).
        labels: The true classes, uint8 of shape (n,).
        digests: SHA-256 of the dataset and of the split. Two runs with the same digests have the
            same validation images.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    digests: tuple[str, str]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class of each image is the true one, of shape (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.labels)

    def figures(self) -> dict[str, float]:
        """Accuracy, expected calibration error, and the lowest recall of any class that occurs."""
        names = [str(label) for label in range(self.probabilities.shape[1])]
        classes = metrics.per_class(self.probabilities.argmax(axis=1), self.labels, names)
        return {
            "accuracy": float(self.correct.mean()),
            "calibration_error": metrics.expected_calibration_error(
                self.probabilities, self.labels
            ),
            "worst_class_recall": float(classes.loc[classes["support"] > 0, "recall"].min()),
        }


def read_validation_predictions(run: Run) -> ValidationPredictions:
    """Read the validation predictions that a run has recorded.

    Raises:
        TrackingError: The file is missing or cannot be read.
    """
    with queries.artifact(run.info.artifact_uri, "predictions.npz") as path:
        try:
            if path is None:
                raise DataError("none")
            arrays = read_arrays(path, "validation_probabilities", "validation_labels")
            return ValidationPredictions(
                arrays["validation_probabilities"],
                arrays["validation_labels"],
                (run.data.tags[tags.DATASET_SHA256], run.data.tags[tags.SPLIT_SHA256]),
            )
        except (DataError, KeyError) as error:
            raise TrackingError(
                f"expected the predictions of run {run.info.run_id} in its predictions.npz, "
                f"received: {error}; run the study again with --fresh"
            ) from error


def recheck_model(
    candidate: Candidate,
    recorded: ValidationPredictions,
    largest_drift: float,
    data_dir: Path | None,
) -> list[Check]:
    """Load the stored model of a candidate and repeat its validation predictions.

    Args:
        candidate: The candidate.
        recorded: The predictions that its run recorded.
        largest_drift: How far a probability may be from the recorded one if this process computes
            with other kernels than the run did. With the same kernels it must have the same bits.
        data_dir: As for `learning.dataset.open_dataset`, which gives further errors.

    Returns:
        The check of the signature and the check of the repeated predictions.

    Raises:
        TrackingError: The model is missing or damaged, or the images are not the recorded ones.
        DataError: The dataset is missing or damaged.
    """
    config = candidate.config
    dataset = data.open_dataset(config.dataset, data_dir, recorded=recorded.digests[0])
    split = split_of(dataset, config.seed_of("split"))
    if recorded.digests != (dataset.sha256, split.sha256):
        raise TrackingError(
            f"expected the dataset and split that run {candidate.run.info.run_id} recorded, "
            "received others: this version of the program cannot repeat its predictions; run the "
            "study again"
        )
    from fashion_dropout.learning.runtime import start_tensorflow

    kernels = start_tensorflow(config.threads, config.kernels, config.device)
    from fashion_dropout.learning import inference
    from fashion_dropout.learning.model import IMAGE_SHAPE
    from fashion_dropout.tracking.models import save

    classifier, stored = save.load_logged(candidate.model_id)
    repeated = inference.predict(classifier, split.validation.images)
    declared = save.signature(IMAGE_SHAPE, len(dataset.classes))
    return [
        Check(
            "signature",
            stored == declared,
            _signature_text(declared),
            _signature_text(stored),
        ),
        check_repeated(
            repeated,
            recorded.probabilities,
            {name: candidate.run.data.tags.get(name, "unknown") for name in tags.KERNELS},
            kernel_tags(kernels),
            largest_drift,
        ),
    ]


def _signature_text(signature: ModelSignature | None) -> str:
    if signature is None:
        return "none"
    inputs, outputs = (
        ", ".join(str(spec) for spec in schema.inputs) if schema else "nothing"
        for schema in (signature.inputs, signature.outputs)
    )
    return f"{inputs} → {outputs}"


def check_repeated(
    repeated: NDArray[np.float32],
    recorded: NDArray[np.float32],
    recorded_with: Mapping[str, str],
    repeated_with: Mapping[str, str],
    largest_drift: float,
) -> Check:
    """Compare repeated predictions with the recorded ones.

    With the same kernels they must have the same bits. Other kernels take sums in another order:
    then no probability may be farther from the recorded one than `largest_drift`, so that another
    class can win only where two classes are tied within twice that.

    Args:
        repeated: float32 of shape (n, classes).
        recorded: float32 of shape (n, classes).
        recorded_with: The kernels of the run: tag → value.
        repeated_with: The kernels of this process: tag → value.
        largest_drift: See above.
    """
    name = "repeated predictions"
    differing = [
        f"{tag} {here} instead of {then}"
        for tag, then, here in changes(recorded_with, repeated_with, repeated_with)
    ]
    allowed = largest_drift if differing else 0.0
    expected = "the same to the bit"
    if differing:
        expected = f"within {allowed:g}, as other kernels compute here ({', '.join(differing)})"
    if repeated.shape != recorded.shape:
        return Check(name, False, expected, f"{repeated.shape}, not {recorded.shape}")
    images = int((repeated != recorded).any(axis=1).sum())
    if not images:
        return Check(name, True, expected, "the same to the bit")
    drift = float(np.abs(repeated - recorded).max())
    classes = int((repeated.argmax(axis=1) != recorded.argmax(axis=1)).sum())
    received = (
        f"{images} of {len(recorded)} images differ, by up to {drift:.2g}; another class wins on "
        f"{classes}"
    )
    return Check(name, drift <= allowed, expected, received)
