"""What the runs of a study said about the test images, from the predictions that they recorded."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison.plots.predictions import DISAGREEMENTS, Disagreements
from fashion_dropout.comparison.record import TestResults
from fashion_dropout.learning import metrics
from fashion_dropout.learning.dataset import Examples
from fashion_dropout.tracking import queries

DISAGREEMENTS_FILE = "disagreements.npz"
"""The artifact of a study's run with the test images that its report shows."""


def read_results(
    artifact_uri: str,
    runs: pd.DataFrame,
    baseline: str,
    regime: str,
    classes: tuple[str, ...],
    test: Examples | None,
) -> tuple[TestResults | None, list[str]]:
    """The predictions of all runs, brought down to what figures are drawn from.

    Args:
        artifact_uri: Of the study's own run.
        runs: The finished runs.
        baseline: The regime that the others are compared with.
        regime: The one that is shown beside it.
        classes: Names, by label.
        test: The test set, to look for the images on which the two disagree most; None to take
            those that the study's run has stored.

    Returns:
        The results, None without any predictions, and a line for all that is missing.
    """
    confusion: dict[tuple[str, int], NDArray[np.int64]] = {}
    f1: dict[tuple[str, int], NDArray[np.float64]] = {}
    bins, lacking = [], []
    sums: dict[str, NDArray[np.float64]] = {}
    pairs = _paired_seeds(runs, baseline, regime)
    for run in runs.to_dict("records"):
        name, seed = str(run["regime"]), int(run["seed"])
        found = _predictions(run["artifact_uri"])
        if found is None:
            lacking.append(f"{name}-seed{seed}")
            continue
        probabilities, labels = found
        predicted = probabilities.argmax(axis=1)
        counts = metrics.confusion_matrix(predicted, labels, len(classes))
        confusion[name, seed] = counts
        f1[name, seed] = metrics.per_class(counts, classes)["f1"].to_numpy()
        bins.append(metrics.reliability(probabilities, labels).assign(regime=name, seed=seed))
        if name in (baseline, regime) and seed in pairs:
            sums[name] = probabilities.astype(np.float64) + sums.get(name, 0.0)
    absent = []
    if lacking:
        shown = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if lacking[4:] else "")
        absent.append(f"predictions of {shown}: no predictions.npz that can be read is recorded")
    if not confusion:
        return None, absent
    disagreements = None
    if test is None:
        disagreements = _stored(artifact_uri)
        if disagreements is None:
            absent.append(f"images on which regimes disagree: no {DISAGREEMENTS_FILE} is recorded")
    elif len(sums) == 2:
        disagreements = _find(test, {name: sums[name] / len(pairs) for name in (baseline, regime)})
    return (
        TestResults(classes, confusion, f1, pd.concat(bins), disagreements),
        absent,
    )


def write_disagreements(found: Disagreements, path: Path) -> None:
    """Store the images with what each regime says of them; `read_results` reads them back."""
    np.savez_compressed(
        path,
        images=found.images,
        labels=found.labels,
        regimes=np.array(list(found.probabilities)),
        probabilities=np.stack(list(found.probabilities.values())),
    )


def _predictions(artifact_uri: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]] | None:
    """Of the test images; None if they are not recorded or cannot be read."""
    with queries.artifact(artifact_uri, "predictions.npz") as path:
        if path is None:
            return None
        try:
            with np.load(path) as arrays:
                return arrays["probabilities"], arrays["labels"]
        except (OSError, ValueError, KeyError, BadZipFile):
            return None


def _stored(artifact_uri: str) -> Disagreements | None:
    with queries.artifact(artifact_uri, DISAGREEMENTS_FILE) as path:
        if path is None:
            return None
        with np.load(path) as arrays:
            return Disagreements(
                arrays["images"],
                arrays["labels"],
                dict(zip(arrays["regimes"].tolist(), arrays["probabilities"], strict=True)),
            )


def _find(test: Examples, probabilities: dict[str, NDArray[np.float64]]) -> Disagreements:
    """The images of the largest total variation distance between the two mean predictions."""
    one, other = probabilities.values()
    distance = np.abs(one - other).sum(axis=1) / 2
    shown = np.argsort(-distance, kind="stable")[:DISAGREEMENTS]
    return Disagreements(
        test.images[shown, ..., 0],
        test.labels[shown],
        {name: said[shown].astype(np.float32) for name, said in probabilities.items()},
    )


def _paired_seeds(runs: pd.DataFrame, baseline: str, regime: str) -> set[int]:
    seeds = [set(runs.loc[runs["regime"] == name, "seed"]) for name in (baseline, regime)]
    return {int(seed) for seed in seeds[0] & seeds[1]}
