"""A recorded model looked at before it is promoted: is it whole, and what did it say?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from mlflow.entities import Run
from mlflow.models import ModelSignature
from numpy.typing import NDArray

from fashion_dropout.comparison.gate import Check
from fashion_dropout.config import TrainingConfig
from fashion_dropout.errors import TrackingError
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning import metrics
from fashion_dropout.tracking import queries


@dataclass(frozen=True)
class Answers:
    """What a run's model said of its validation images, as the run recorded it.

    Attributes:
        probabilities: float32 of shape (n, classes).
        labels: uint8 of shape (n,).
        images: What tells the images: the digests of dataset and split.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    images: tuple[str, str]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which of them are right, of shape (n,)."""
        right: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.labels
        return right

    def figures(self) -> dict[str, float]:
        """Accuracy, calibration error, and the recall of the class that is found least."""
        classes = self.probabilities.shape[1]
        confusion = metrics.confusion_matrix(
            self.probabilities.argmax(axis=1), self.labels, classes
        )
        names = tuple(str(label) for label in range(classes))
        return {
            "accuracy": float(self.correct.mean()),
            "calibration_error": metrics.expected_calibration_error(
                self.probabilities, self.labels
            ),
            "worst_class_recall": float(metrics.per_class(confusion, names)["recall"].min()),
        }


def answers(run: Run) -> Answers:
    """What a run recorded of its validation images.

    Raises:
        TrackingError: It is missing or cannot be read.
    """
    with queries.artifact(run.info.artifact_uri, "predictions.npz") as path:
        try:
            if path is None:
                raise OSError("none")
            with np.load(path) as arrays:
                return Answers(
                    arrays["validation_probabilities"],
                    arrays["validation_labels"],
                    (run.data.tags["dataset.sha256"], run.data.tags["split.sha256"]),
                )
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise TrackingError(
                f"expected the predictions of run {run.info.run_id} in its predictions.npz, "
                f"received: {error}; run the study again with --fresh"
            ) from error


def check_model(
    run: Run,
    model_id: str,
    config: TrainingConfig,
    recorded: Answers,
    largest_drift: float,
    data_dir: Path | None,
) -> list[Check]:
    """Load the model that a run has stored, and let it answer again.

    Args:
        run: The run.
        model_id: Of its logged model.
        config: What the run was told.
        recorded: What it recorded.
        largest_drift: How far a probability may lie from the recorded one.
        data_dir: A folder with the four archives; None to look in the usual places.

    Returns:
        The checks of the signature and of the repeated predictions.

    Raises:
        TrackingError: The model is missing or damaged.
        DataError: The dataset cannot be had.
    """
    dataset = data.open_dataset(config.dataset, data_dir)
    training, validation = data.stratified_split(
        dataset.training(), dataset.validation_size, config.split_seed
    )
    if recorded.images != (dataset.sha256, data.split_sha256(training, validation)):
        raise TrackingError(
            f"expected the dataset and split that run {run.info.run_id} recorded, received others: "
            "this version of the program cannot repeat its predictions; run the study again"
        )
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(config.threads)
    from fashion_dropout.learning import inference
    from fashion_dropout.learning.model import IMAGE_SHAPE
    from fashion_dropout.tracking import models

    with tempfile.TemporaryDirectory() as folder:
        stored = models.load_logged(model_id, Path(folder))
        repeated = inference.predict(stored.classifier, validation.images)
    declared = models.signature(IMAGE_SHAPE, len(dataset.classes))
    return [
        Check(
            "signature",
            stored.signature == declared,
            _shown(declared),
            _shown(stored.signature),
        ),
        _repeated(repeated, recorded.probabilities, largest_drift),
    ]


def _shown(signature: ModelSignature | None) -> str:
    if signature is None:
        return "none"
    taken, given = (
        ", ".join(str(spec) for spec in schema.inputs) if schema else "nothing"
        for schema in (signature.inputs, signature.outputs)
    )
    return f"{taken} → {given}"


def _repeated(
    repeated: NDArray[np.float32], recorded: NDArray[np.float32], largest_drift: float
) -> Check:
    expected = f"within {largest_drift:g}" if largest_drift else "the same to the bit"
    if repeated.shape != recorded.shape:
        return Check(
            "repeated predictions", False, expected, f"{repeated.shape}, not {recorded.shape}"
        )
    differing = int((repeated != recorded).any(axis=1).sum())
    drift = float(np.abs(repeated - recorded).max())
    received = (
        f"{differing} of {len(recorded)} images differ, by up to {drift:.2g}"
        if differing
        else "the same to the bit"
    )
    return Check("repeated predictions", drift <= largest_drift, expected, received)
