"""How the runs of a study predicted the test images, from their recorded predictions."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison.pairing import paired_seeds
from fashion_dropout.comparison.record import (
    DISAGREEMENTS,
    RECALIBRATED,
    Disagreements,
    TestResults,
)
from fashion_dropout.comparison.two_level import ImageScores
from fashion_dropout.config.cell import cell_name
from fashion_dropout.errors import DataError
from fashion_dropout.learning import calibration, metrics
from fashion_dropout.learning.arrays import read_arrays
from fashion_dropout.learning.examples import Examples
from fashion_dropout.tracking.reading import queries

DISAGREEMENTS_FILE = "disagreements.npz"
"""The artifact of a study's run with the test images that its report shows."""
_UNCALIBRATED = "no predictions of validation images are recorded"


def read_results(
    artifact_uri: str,
    runs: pd.DataFrame,
    shown: tuple[str, str],
    classes: tuple[str, ...],
    test: Examples | None,
) -> tuple[TestResults | None, list[str]]:
    """The predictions of all runs, reduced to the data of the figures.

    The URI is that of the artifacts of the study's own run, the classes are by label. `shown` are
    the two regimes that figures of two regimes show, the baseline first. Without a test set, in
    which those images are looked for on which they disagree most, the study's run has stored them.

    Returns:
        The results, None without any predictions, and a line for everything that is missing.
    """
    confusion: dict[tuple[str, int], NDArray[np.int64]] = {}
    f1: dict[tuple[str, int], NDArray[np.float64]] = {}
    scores: dict[tuple[str, int], ImageScores] = {}
    bins, lacking, recalibrated, uncalibrated, others = [], [], [], [], []
    images: NDArray[np.uint8] | None = None
    pairs, sums = paired_seeds(runs, *shown), dict[str, NDArray[np.float64]]()
    for regime, seed, uri in zip(runs["regime"], runs["seed"], runs["artifact_uri"], strict=True):
        name = cell_name(regime, seed)
        if (found := read_predictions(uri, len(classes))) is None:
            lacking.append(name)
            continue
        (probabilities, labels), validation = found
        images = labels if images is None else images
        if not np.array_equal(labels, images):
            others.append(name)
            continue
        predicted = probabilities.argmax(axis=1)
        confusion[regime, seed] = metrics.confusion_matrix(predicted, labels, len(classes))
        f1[regime, seed] = metrics.per_class(predicted, labels, classes)["f1"].to_numpy()
        bins.append(metrics.reliability(probabilities, labels).assign(regime=regime, seed=seed))
        if regime in shown and seed in pairs:  # kept one by one, those of 1,000 runs need 400 MB
            sums[regime] = probabilities.astype(np.float64) + sums.get(regime, 0.0)
        scores[regime, seed] = _scores(probabilities, labels)
        if validation is None:
            uncalibrated.append(name)
        else:
            figures = _recalibrated((probabilities, labels), validation)
            recalibrated.append({"regime": regime, "seed": seed, **figures})
    absent = [
        *_absent(lacking, "predictions of", "no predictions.npz that can be read is recorded"),
        *_absent(others, "predictions of", "the labels are not those of the other runs"),
        *_absent(uncalibrated, "recalibration of", _UNCALIBRATED),
    ]
    if not confusion:
        return None, absent
    means = _means(runs, shown, confusion, sums, len(classes)) if test is not None else {}
    disagreements = _stored(artifact_uri) if test is None else _disagreements(means, test)
    if test is None and disagreements is None:
        absent.append(f"images on which regimes disagree: no {DISAGREEMENTS_FILE} is recorded")
    table = pd.DataFrame(recalibrated or {"regime": [], "seed": []})
    curve = pd.concat(bins)
    return TestResults(classes, confusion, f1, curve, disagreements, scores, table), absent


def _scores(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> ImageScores:
    confidence, correct, bins = metrics.binned(probabilities, labels)
    return ImageScores(
        metrics.losses(probabilities, labels).astype(np.float32),
        correct,
        (confidence - correct).astype(np.float32),
        bins.astype(np.uint8),
    )


def _recalibrated(test: Predicted, validation: Predicted) -> dict[str, float]:
    """The temperature of the validation predictions, and test figures with it."""
    probabilities, labels = test
    temperature = calibration.fit_temperature(*validation)
    scaled = calibration.at_temperature(probabilities, temperature)
    measures = (metrics.negative_log_likelihood, metrics.expected_calibration_error)
    figures = [measure(scaled, labels) for measure in measures]
    return {"temperature": temperature, **dict(zip(RECALIBRATED, figures, strict=True))}


def _means(
    runs: pd.DataFrame,
    shown: tuple[str, str],
    predicted: Collection[tuple[str, int]],
    sums: dict[str, NDArray[np.float64]],
    classes: int,
) -> dict[str, NDArray[np.float64]]:
    """The mean predictions of two regimes over the pairs of which both runs have `predicted`; the
    sums, from which the others are taken out, are over all runs of pairs that have.
    """
    pairs = paired_seeds(runs, *shown)
    whole = {pair for pair in pairs if all((name, pair) in predicted for name in shown)}
    alone = {(name, pair) for name in shown for pair in pairs - whole if (name, pair) in predicted}
    for regime, pair, uri in zip(runs["regime"], runs["seed"], runs["artifact_uri"], strict=True):
        if (regime, pair) in alone and (found := read_predictions(uri, classes)):
            sums[regime] -= found[0][0]
    return {name: sums[name] / len(whole) for name in shown} if whole else {}


def _disagreements(means: dict[str, NDArray[np.float64]], test: Examples) -> Disagreements | None:
    """The images of the largest total variation distance between the mean predictions of two
    regimes; None without a complete pair.
    """
    if len(means) < 2:
        return None
    baseline, regime = means.values()
    distance = np.abs(baseline - regime).sum(axis=1) / 2
    shown = np.argsort(-distance, kind="stable")[:DISAGREEMENTS]
    return Disagreements(
        test.images[shown, ..., 0],
        test.labels[shown],
        {name: mean[shown].astype(np.float32) for name, mean in means.items()},
    )


def _absent(lacking: list[str], what: str, why: str) -> list[str]:
    """A line that names the runs that lack something, and why; no line if there are none."""
    if not lacking:
        return []
    named = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if lacking[4:] else "")
    return [f"{what} {named}: {why}"]


def write_disagreements(found: Disagreements, path: Path) -> None:
    """Store the images with the predictions of each regime; `read_results` reads them back."""
    np.savez_compressed(
        path,
        images=found.images,
        labels=found.labels,
        regimes=np.array(list(found.probabilities)),
        probabilities=np.stack(list(found.probabilities.values())),
    )


Predicted = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Probabilities, float32 of shape (n, classes), and labels, uint8 of shape (n,)."""


def read_predictions(artifact_uri: str, classes: int) -> tuple[Predicted, Predicted | None] | None:
    """What a run predicted for the test images, and for the validation images if recorded.

    None if there are no predictions that can be read.
    """
    with queries.artifact(artifact_uri, "predictions.npz") as path:
        if path is None:
            return None
        test = _whole(path, "", classes)
        return (test, _whole(path, "validation_", classes)) if test else None


def _whole(path: Path, prefix: str, classes: int) -> Predicted | None:
    """Probabilities and labels of one part; None if they cannot be read, or do not fit together."""
    names = (f"{prefix}probabilities", f"{prefix}labels")
    try:
        arrays = read_arrays(path, *names)
    except DataError:
        return None
    probabilities, labels = (arrays[name] for name in names)
    whole = (
        labels.size > 0
        and probabilities.dtype == np.float32
        and probabilities.shape == (*labels.shape, classes)
        and labels.dtype == np.uint8
        and bool(labels.max(initial=0) < classes)
    )
    return (probabilities, labels) if whole else None


def _stored(artifact_uri: str) -> Disagreements | None:
    with queries.artifact(artifact_uri, DISAGREEMENTS_FILE) as path:
        if path is None:
            return None
        try:
            arrays = read_arrays(path, "images", "labels", "regimes", "probabilities")
        except DataError:
            return None
    return Disagreements(
        arrays["images"],
        arrays["labels"],
        dict(zip(arrays["regimes"].tolist(), arrays["probabilities"], strict=True)),
    )
