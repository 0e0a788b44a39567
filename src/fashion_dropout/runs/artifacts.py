"""The files that a training run leaves: tables, arrays and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fashion_dropout.drawing import fixed_settings, fonts_for
from fashion_dropout.escapes import brief
from fashion_dropout.learning import metrics
from fashion_dropout.learning.examples import Examples
from fashion_dropout.runs import figures


@dataclass(frozen=True)
class RunArtifacts:
    """What a run has learned and predicted, and the files that are made from it.

    Attributes:
        title: What the run is, for the titles of its figures.
        history: A row an epoch, with the column epoch and one for each metric.
        best_epoch: The epoch of the lowest validation loss.
        selected_epoch: The epoch whose model is stored and tested.
        test_probabilities: float32 of shape (n, classes).
        validation_probabilities: float32 of shape (m, classes).
        model_summary: The layers, as text.
    """

    title: str
    classes: tuple[str, ...]
    history: pd.DataFrame
    best_epoch: int
    selected_epoch: int
    test: Examples
    test_probabilities: NDArray[np.float32]
    validation: Examples
    validation_probabilities: NDArray[np.float32]
    model_summary: str

    def test_metrics(self) -> dict[str, float]:
        """The test metrics, under the names that MLflow shows."""
        return metrics.summary(self.test_probabilities, self.test.labels, self.classes)

    def write(self, folder: Path) -> list[str]:
        """Write every file into `folder`.

        Returns:
            A line for each figure that could not be drawn: that costs the figure, not the run.
        """
        predicted = self.test_probabilities.argmax(axis=1)
        confusion = metrics.confusion_matrix(predicted, self.test.labels, len(self.classes))
        classes = metrics.per_class(predicted, self.test.labels, self.classes)
        tested = f"{self.title}: test set, model of epoch {self.selected_epoch}"
        missing = []
        drawn: dict[str, Callable[[], Figure]] = {
            "curves.png": lambda: figures.learning_curves(
                self.history, self.best_epoch, self.title
            ),
            "confusion_matrix.png": lambda: figures.confusion_matrix(
                confusion, self.classes, tested
            ),
            "misclassified.png": lambda: figures.misclassified(
                self.test.images, self.test.labels, self.test_probabilities, self.classes, tested
            ),
        }
        for name, draw in drawn.items():
            try:
                with fixed_settings(fonts_for(self.classes)):
                    draw().savefig(folder / name, dpi=120)
            except OSError:  # no room, which concerns the run
                raise
            except Exception as error:  # whatever Matplotlib or a font runs into
                (folder / name).unlink(missing_ok=True)
                missing.append(f"warning: {name} could not be drawn: {brief(error)}")
        self.history.to_csv(folder / "history.csv", index=False)
        classes.to_csv(folder / "per_class.csv", index=False)
        np.savez_compressed(
            folder / "predictions.npz",
            probabilities=self.test_probabilities,
            labels=self.test.labels,
            validation_probabilities=self.validation_probabilities,
            validation_labels=self.validation.labels,
        )
        (folder / "model_summary.txt").write_text(self.model_summary, encoding="utf-8")
        return missing
