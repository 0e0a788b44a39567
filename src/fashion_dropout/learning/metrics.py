"""Metrics of a classifier from its probabilities: pure functions on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics

CALIBRATION_BINS = 15
_SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)


def negative_log_likelihood(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Mean of −log p(true class), in nats.

    Not `sklearn.metrics.log_loss`: it raises every probability below 2.2e-16 to that number, which
    would hide how overconfident a network is, and it warns because the sum of ten float32
    probabilities is not 1 in all digits of float64.

    Args:
        probabilities: float32 of shape (n, classes).
        labels: Integers of shape (n,).

    Returns:
        A number >= 0; a probability that float32 rounds to zero counts as its smallest normal
        number, 1.2e-38.
    """
    return float(losses(probabilities, labels).mean())


def losses(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """−log p(true class) of each example, in nats, of which `negative_log_likelihood` is the mean.

    Args:
        probabilities: float32 of shape (n, classes).
        labels: Integers of shape (n,).

    Returns:
        float64 of shape (n,).
    """
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.maximum(likelihood, _SMALLEST_PROBABILITY)))


def expected_calibration_error(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], bins: int = CALIBRATION_BINS
) -> float:
    """How far confidence and accuracy lie apart, averaged over bins of confidence.

    Naeini et al. 2015, with `bins` bins of equal width over (0, 1], each weighted by its share of
    the examples; confidence is the largest probability.

    Args:
        probabilities: float32 of shape (n, classes).
        labels: Integers of shape (n,).
        bins: Number of bins.

    Returns:
        A number in [0, 1].
    """
    confidence, correct, members = binned(probabilities, labels, bins)
    surplus = np.bincount(members, weights=confidence - correct, minlength=bins)
    return float(np.abs(surplus).sum() / len(labels))


def reliability(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], bins: int = CALIBRATION_BINS
) -> pd.DataFrame:
    """Confidence and accuracy in each bin of `expected_calibration_error`.

    Args:
        probabilities: float32 of shape (n, classes).
        labels: Integers of shape (n,).
        bins: Number of bins.

    Returns:
        A row a bin with the columns centre, confidence and accuracy (means; NaN in an empty bin)
        and share (of the examples).
    """
    confidence, correct, members = binned(probabilities, labels, bins)
    count = np.bincount(members, minlength=bins)
    sums = {
        "confidence": np.bincount(members, weights=confidence, minlength=bins),
        "accuracy": np.bincount(members, weights=correct, minlength=bins),
    }
    empty = np.full(bins, np.nan)
    return pd.DataFrame(
        {
            "centre": (np.arange(bins) + 0.5) / bins,
            **{
                name: np.divide(total, count, out=empty.copy(), where=count > 0)
                for name, total in sums.items()
            },
            "share": count / len(labels),
        }
    )


def binned(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.uint8],
    bins: int = CALIBRATION_BINS,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Confidence, whether it was right, and the bin, of each example.

    Args:
        probabilities: float32 of shape (n, classes).
        labels: Integers of shape (n,).
        bins: Number of bins of equal width over (0, 1].
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    members = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return confidence, correct, members


def confusion_matrix(
    predicted: NDArray[np.integer], labels: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """How often class i (row) was predicted as class j (column).

    Args:
        predicted: Integers of shape (n,).
        labels: The true classes, integers of shape (n,).
        classes: How many classes there are.

    Returns:
        int64 of shape (classes, classes).
    """
    counts = metrics.confusion_matrix(labels, predicted, labels=range(classes))
    return np.asarray(counts, dtype=np.int64)


def per_class(
    predicted: NDArray[np.integer], labels: NDArray[np.uint8], names: Sequence[str]
) -> pd.DataFrame:
    """Precision, recall and F1 of each class.

    Args:
        predicted: Integers of shape (n,).
        labels: The true classes, integers of shape (n,).
        names: The class names, by label.

    Returns:
        A row a class with the columns label, class, precision, recall, f1, support; a ratio
        without a denominator is 0.
    """
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(len(names)), zero_division=0
    )
    return pd.DataFrame(
        {
            "label": range(len(names)),
            "class": list(names),
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "support": support,
        }
    )


def summary(
    probabilities: NDArray[np.float32], labels: NDArray[np.uint8], names: Sequence[str]
) -> dict[str, float]:
    """The test metrics of a run, under the names that MLflow shows.

    F1 is averaged over the classes that occur.

    Args:
        probabilities: float32 of shape (n, classes).
        labels: The true classes, integers of shape (n,).
        names: The class names, by label.
    """
    predicted = probabilities.argmax(axis=1)
    classes = per_class(predicted, labels, names)
    return {
        "test/accuracy": float((predicted == labels).mean()),
        "test/nll": negative_log_likelihood(probabilities, labels),
        "test/ece": expected_calibration_error(probabilities, labels),
        "test/f1_macro": float(classes.loc[classes["support"] > 0, "f1"].mean()),
    }
