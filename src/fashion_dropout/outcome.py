"""What a trained run leaves besides its metrics: tables, arrays and pictures, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison.plots import run as plots
from fashion_dropout.learning import metrics
from fashion_dropout.learning.dataset import Examples


@dataclass(frozen=True)
class RunOutcome:
    """All that the files of a run are made of.

    Attributes:
        title: What the run is, for the heads of the pictures.
        classes: The class names, by label.
        history: A row an epoch, with the column epoch and one for each metric.
        best_epoch: The epoch of the lowest validation loss.
        selected_epoch: The epoch whose model is stored and tested.
        test: The test set.
        test_probabilities: float32 of shape (n, classes).
        validation: The validation split.
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
        """The figures of the test set, under the names that MLflow shows."""
        return metrics.summary(self.test_probabilities, self.test.labels, self.classes)

    def write(self, folder: Path) -> None:
        """Write every file into `folder`."""
        confusion = metrics.confusion_matrix(
            self.test_probabilities.argmax(axis=1), self.test.labels, len(self.classes)
        )
        tested = f"{self.title}: test set, model of epoch {self.selected_epoch}"
        figures = {
            "curves.png": plots.learning_curves(self.history, self.best_epoch, self.title),
            "confusion_matrix.png": plots.confusion_matrix(confusion, self.classes, tested),
            "misclassified.png": plots.misclassified(
                self.test.images, self.test.labels, self.test_probabilities, self.classes, tested
            ),
        }
        for name, figure in figures.items():
            figure.savefig(folder / name, dpi=120)
        self.history.to_csv(folder / "history.csv", index=False)
        metrics.per_class(confusion, self.classes).to_csv(folder / "per_class.csv", index=False)
        np.savez_compressed(
            folder / "predictions.npz",
            probabilities=self.test_probabilities,
            labels=self.test.labels,
            validation_probabilities=self.validation_probabilities,
            validation_labels=self.validation.labels,
        )
        (folder / "model_summary.txt").write_text(self.model_summary, encoding="utf-8")
