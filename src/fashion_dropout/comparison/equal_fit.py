"""Two runs read at the same fit to the training images: regularized, or only slower?

The gap between validation and training loss is small where a network overfits less, and also where
it has fitted less. Reading both runs of a pair at one training loss tells the two apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

OVER_RANGE = "val/loss_over_equal_fit"
VALIDATION_LOSS, EPOCHS = "val/loss_at_equal_fit", "epochs_to_equal_fit"
_COLUMNS = (OVER_RANGE, VALIDATION_LOSS, EPOCHS)
"""The metrics of a pair, as columns of `at_equal_fit`."""


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
    on the regime that it is paired with.

    Args:
        histories: As for `loss_curves`.
        regime: The regime that is compared.
        baseline: The one it is compared with.

    Returns:
        A table of runs (see `statistics`): two rows for each seed that both regimes have, with the
        columns regime, seed, `OVER_RANGE` and `VALIDATION_LOSS` in nats, and `EPOCHS`. All three
        are NaN where a curve of the pair is not finite; `OVER_RANGE` is NaN also where the range is
        empty.
    """
    columns = ["regime", "seed", *_COLUMNS]
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

    Empty, with low ≥ high, if one run begins where the other one never comes.

    Args:
        first: Training loss of one run after each epoch from the first, float64 of shape (E,).
        second: That of the other one.
    """
    return float(max(first.min(), second.min())), float(min(first[0], second[0]))
