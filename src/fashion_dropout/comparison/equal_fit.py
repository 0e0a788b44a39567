"""Two runs read at the same fit to the training images: regularized, or only slower?

The gap between validation and training loss is small where a network overfits less, and also where
it has fitted less. Reading both runs of a pair at one training loss tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fashion_dropout.comparison.attainable import smallest_p
from fashion_dropout.comparison.sequential import signed_sums
from fashion_dropout.config.cell import are_crossed

OVER_RANGE = "val/loss_over_equal_fit"
VALIDATION_LOSS, EPOCHS = "val/loss_at_equal_fit", "epochs_to_equal_fit"
METRICS = (OVER_RANGE, VALIDATION_LOSS, EPOCHS)
"""The metrics of a pair, as columns of `at_equal_fit`."""

FEWEST_PAIRS = 5
"""With fewer pairs there are too few patterns of signs for a band."""

_LEVELS = 80


def crossing(
    training: NDArray[np.float64], validation: NDArray[np.float64], levels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a run first reaches training losses, linear between epochs in the training loss.

    Args:
        training: Training loss after each epoch from the first, in nats, float64 of shape (E,);
            its minimum is at most the lowest level.
        validation: Validation loss after each epoch, in nats, float64 of shape (E,).
        levels: The training losses to reach, in nats, of any shape.

    Returns:
        How many epochs it took, as a fraction between two epochs, 1 if the loss after the first
        epoch is below the level already; and the validation loss there, in nats. Both are float64
        of the shape of the levels.
    """
    levels = np.asarray(levels, dtype=float)
    first = np.searchsorted(-np.minimum.accumulate(training), -levels)
    before = np.maximum(first - 1, 0)  # 0 where the first epoch is below the level already
    way = np.where(first > 0, training[before] - training[first], 1)
    share = np.where(first > 0, training[before] - levels, 0) / way
    loss = validation[before] + share * (validation[first] - validation[before])
    return before + 1 + share, loss


def mean_over(
    training: NDArray[np.float64], validation: NDArray[np.float64], low: float, high: float
) -> float:
    """The validation loss averaged over a range of training losses, uniform in their logarithm.

    At a training loss L the validation loss v(L) is that of `crossing`: piecewise linear in L. Of
    each piece v = a + b·L the integral of v/L is a·ln(L₂/L₁) + b·(L₂ − L₁); their sum is divided by
    ln(high/low). So no single epoch decides, and each halving of the training loss counts alike.

    Args:
        training: Training loss after each epoch from the first, in nats, float64 of shape (E,); it
            begins at `high` or above, and its minimum is at most `low`.
        validation: Validation loss after each epoch, in nats, float64 of shape (E,).
        low: The lower end of the range, in nats, > 0.
        high: The upper one, > `low`.
    """
    reached = np.minimum.accumulate(training)
    upper, lower = np.minimum(reached[:-1], high), np.maximum(training[1:], low)
    (pieces,) = np.nonzero(lower < upper)  # epochs that bring the loss where it was not before
    upper, lower = upper[pieces], lower[pieces]
    after, loss = training[pieces + 1], validation[pieces + 1]
    slope = (loss - validation[pieces]) / (after - training[pieces])
    width = upper - lower
    logarithm = np.log1p(width / lower)  # exact for a narrow piece, whose slope may be large
    integral = loss * logarithm + slope * (width - after * logarithm)
    return float(integral.sum() / np.log(high / low))


def loss_curves(histories: pd.DataFrame) -> dict[tuple[str, int], NDArray[np.float64]]:
    """The curves of every run: (regime, seed) → training and validation loss after each epoch.

    Args:
        histories: A row for each regime, seed and epoch, with the columns regime, seed, epoch,
            train/loss and val/loss.

    Returns:
        In the order of the regimes' names and of the seeds; float64 of shape (2, E), in nats.
    """
    ordered = histories.sort_values("epoch")
    losses = ordered[["train/loss", "val/loss"]].to_numpy(dtype=float)
    rows_of: dict[Any, Any] = ordered.groupby(["regime", "seed"]).indices
    return {
        (str(regime), int(seed)): losses[rows].T for (regime, seed), rows in sorted(rows_of.items())
    }


def at_equal_fit(histories: pd.DataFrame, regime: str, baseline: str) -> pd.DataFrame:
    """Both runs of every pair, read where they fit the training images equally well.

    The common range of a pair begins at the larger of its two lowest training losses and ends at
    the smaller of the two after the first epoch. `VALIDATION_LOSS` and `EPOCHS` are read at its
    lower end, `OVER_RANGE` is the mean over it (see `mean_over`). The values of the baseline depend
    on the regime that it is paired with. The histories are as for `loss_curves`.

    Returns:
        A table of runs (see `statistics`): two rows for each seed that both regimes have, with the
        columns regime, seed, `OVER_RANGE` and `VALIDATION_LOSS` in nats, and `EPOCHS`. All three
        are NaN where a curve of the pair is not finite; `OVER_RANGE` is NaN also where the range is
        empty.
    """
    columns = ["regime", "seed", *METRICS]
    if histories.empty:
        return pd.DataFrame(columns=columns)
    curves = loss_curves(histories)
    numbers: dict[Any, Any] = dict(list(histories.groupby(["regime", "seed"])["epoch"]))
    rows: list[tuple[str, int, float, float, float]] = []
    for seed in sorted({seed for _, seed in curves}):
        if (regime, seed) not in curves or (baseline, seed) not in curves:
            continue
        pair = {name: curves[name, seed] for name in (regime, baseline)}
        if not all(np.isfinite(curve).all() for curve in pair.values()):
            rows += [(name, seed, np.nan, np.nan, np.nan) for name in pair]
            continue
        low, high = common_range(*(curve[0] for curve in pair.values()))
        for name, (training, validation) in pair.items():
            passed, loss = crossing(training, validation, low)
            mean = mean_over(training, validation, low, high) if 0 < low < high else np.nan
            epochs = np.sort(numbers[name, seed].to_numpy(dtype=float))  # as every fifth
            epoch = np.interp(passed, np.arange(1, len(epochs) + 1), epochs)
            rows.append((name, seed, mean, float(loss), float(epoch)))
    return pd.DataFrame(rows, columns=columns)


def common_range(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """The training losses, in nats, that both runs of a pair pass: (low, high), low < high.

    Empty, with low ≥ high, if one run begins where the other one never comes. Each run is given by
    its training loss after each epoch from the first, float64 of shape (E,).
    """
    return float(max(first.min(), second.min())), float(min(first[0], second[0]))


@dataclass(frozen=True)
class FitCurve:
    """The paired difference in validation loss over the training losses that all pairs share.

    Attributes:
        levels: Training losses in nats, falling, uniform in their logarithm, of shape (k,).
        by_seed: Seed → the difference at each level, in nats, of shape (k,).
        mean: Its mean over the pairs, of shape (k,).
        low, high: The edges of the band; NaN with fewer than `FEWEST_PAIRS`, and of several splits.
        points: Seed → the lowest training loss that both runs reach, where the metrics at equal fit
            are read.
        confidence: Of the band.
    """

    levels: NDArray[np.float64]
    by_seed: Mapping[int, NDArray[np.float64]]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    points: Mapping[int, float]
    confidence: float


def fit_curve(
    histories: pd.DataFrame, regime: str, baseline: str, confidence: float
) -> FitCurve | None:
    """The difference regime − baseline at each training loss that all pairs share.

    `histories` is as for `loss_curves`; the band covers all levels together. None if there is no
    pair with finite curves, or no training loss that all pairs share.
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
    by_seed = {
        seed: crossing(own[0], own[1], levels)[1] - crossing(base[0], base[1], levels)[1]
        for seed, (own, base) in pairs.items()
    }
    table = np.stack(list(by_seed.values()))
    # Flipping the signs of pairs would take those of one split for independent of each other.
    half = half_width(table[:0] if are_crossed(by_seed) else table, confidence)
    mean = table.mean(axis=0)
    points = {seed: ends[0] for seed, ends in ranges.items()}
    return FitCurve(levels, by_seed, mean, mean - half, mean + half, points, confidence)


def half_width(table: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """Half the width of a band that covers the true mean at all levels together.

    The largest |t| over the levels is compared with its distribution if the signs of whole pairs
    are flipped, so that what neighbouring levels have in common is respected (Westfall and Young
    1993, max-t). Flipped are the deviations from the mean: of differences that are far from zero
    all flips move together, and a band from them covers too little (0.67 to 0.86 instead of 0.95 in
    simulations with 6 to 16 pairs; from the deviations 0.93 to 0.98).

    The table has a row for each pair and a column for each level; the result is of shape (levels,),
    NaN with fewer than `FEWEST_PAIRS`, or where so many pairs can show nothing at that confidence.
    """
    pairs = len(table)
    if pairs < FEWEST_PAIRS or 1 - confidence < smallest_p(pairs):
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
