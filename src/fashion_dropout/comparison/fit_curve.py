"""The difference at equal fit as a function of the training loss, with a simultaneous band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison.equal_fit import common_range, crossing, loss_curves
from fashion_dropout.comparison.sequential import signed_sums
from fashion_dropout.config.cell import are_crossed

FEWEST_PAIRS = 5
"""With fewer pairs there are too few patterns of signs for a band."""

_LEVELS = 80


@dataclass(frozen=True)
class FitCurve:
    """The paired difference in validation loss over the training losses that all pairs share.

    Attributes:
        levels: Training losses in nats, falling, uniform in their logarithm, of shape (k,).
        by_seed: Seed → the difference at each level, in nats, of shape (k,).
        mean: Its mean over the pairs, of shape (k,).
        low: The lower edge of the band; NaN with fewer than `FEWEST_PAIRS`, and of several splits.
        high: The upper edge.
        points: Seed → the lowest training loss that both runs reach, where the metrics at equal fit
            are read.
    """

    levels: NDArray[np.float64]
    by_seed: Mapping[int, NDArray[np.float64]]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    points: Mapping[int, float]


def fit_curve(
    histories: pd.DataFrame, regime: str, baseline: str, confidence: float
) -> FitCurve | None:
    """The difference regime − baseline at each training loss that all pairs share.

    Args:
        histories: As for `equal_fit.loss_curves`.
        regime: The regime that is compared.
        baseline: The one it is compared with.
        confidence: Of the band, for all levels together.

    Returns:
        None if there is no pair with finite curves, or no training loss that all pairs share.
    """
    curves = {
        place: losses
        for place, losses in loss_curves(histories).items()
        if np.isfinite(losses).all()
    }
    pairs = {
        seed: (curves[regime, seed], curves[baseline, seed])
        for name, seed in curves
        if name == regime and (baseline, seed) in curves
    }
    ranges = {seed: common_range(own[0], base[0]) for seed, (own, base) in pairs.items()}
    if not ranges:
        return None
    low, high = max(ends[0] for ends in ranges.values()), min(ends[1] for ends in ranges.values())
    if not 0 < low < high:
        return None
    levels = np.clip(np.geomspace(high, low, _LEVELS), low, high)  # not beyond by a rounding
    by_seed = {seed: _at(levels, own) - _at(levels, base) for seed, (own, base) in pairs.items()}
    table = np.stack(list(by_seed.values()))
    # Flipping the signs of pairs would take those of one split for independent of each other.
    half = half_width(table[:0] if are_crossed(by_seed) else table, confidence)
    mean = table.mean(axis=0)
    points = {seed: ends[0] for seed, ends in ranges.items()}
    return FitCurve(levels, by_seed, mean, mean - half, mean + half, points)


def _at(levels: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The validation loss of a run at each training loss."""
    training, validation = losses
    return crossing(training, validation, levels)[1]


def half_width(table: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """Half the width of a band that covers the true mean at all levels together.

    The largest |t| over the levels is compared with its distribution if the signs of whole pairs
    are flipped, so that what neighbouring levels have in common is respected (Westfall and Young
    1993, max-t). Flipped are the deviations from the mean: of differences that are far from zero
    all flips move together, and a band from them covers too little (0.67 to 0.86 instead of 0.95 in
    simulations with 6 to 16 pairs; from the deviations 0.93 to 0.98).

    Args:
        table: A row for each pair, a column for each level.
        confidence: Of the band.

    Returns:
        Of shape (levels,); NaN with fewer than `FEWEST_PAIRS`.
    """
    pairs = len(table)
    if pairs < FEWEST_PAIRS:
        return np.full(table.shape[1], np.nan)
    deviations = table - table.mean(axis=0)
    squares = (deviations**2).sum(axis=0)[:, np.newaxis]
    (sums,) = signed_sums(deviations.T, [pairs])  # of shape (levels, patterns)
    means = sums / pairs
    variance = (squares - pairs * means**2) / (pairs - 1)
    error = np.sqrt(np.maximum(variance, 1e-12 * squares) / pairs)
    t = np.divide(np.abs(means), error, out=np.zeros_like(means), where=error > 0)
    critical = np.quantile(t.max(axis=0), confidence, method="higher")
    return np.asarray(critical * np.sqrt(squares[:, 0] / (pairs - 1) / pairs))
