"""What the regimes say about the test images, class by class and image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.record import DISAGREEMENTS, Disagreements
from fashion_dropout.comparison.statistics import t_intervals
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    spread,
    styled,
)

_COLUMNS = 3
_ROWS = DISAGREEMENTS // _COLUMNS


@styled
def reliability(bins: pd.DataFrame, regimes: Sequence[str]) -> Figure:
    """How often a prediction is right, against how sure it was.

    Args:
        bins: A row for each regime, seed and bin of confidence, with the columns regime, seed,
            centre, confidence (mean), accuracy and share (of the images); NaN in an empty bin.
        regimes: Their order; the baseline first.
    """
    seeds = bins.groupby("regime")["seed"].nunique().max()
    figure = Figure(figsize=(WIDTH, 6.6))
    figure.suptitle(f"Reliability on the test set, n = {seeds} seeds")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=MARKED, linestyle=":", label="as sure as right")
    colour, marker = of_regimes(regimes), markers(regimes)
    for regime in regimes:
        rows = bins[bins["regime"] == regime]
        traces = rows.pivot_table(index="centre", columns="seed", values="accuracy", dropna=False)
        traces = traces[traces.notna().all(axis=1)]  # bins that every seed has images in
        spread(above, traces, colour=colour[regime], marker=marker[regime], label=regime)
        shares = rows.groupby("centre")["share"].mean()
        below.step(shares.index, shares, where="mid", color=colour[regime], linewidth=1.8)
    above.set(ylabel="accuracy (share correct)", xlim=(0, 1), ylim=(0, 1))
    above.text(0.62, 0.1, "below the diagonal:\nmore sure than right", color=MARKED, fontsize=9)
    above.legend(loc="upper left")
    below.set(
        xlabel="confidence (largest probability, bins of equal width)",
        ylabel="share of\nimages",
        yscale="log",
    )
    return figure


@styled
def f1_change(changes: pd.DataFrame, regime: str, baseline: str) -> Figure:
    """Change of F1 of each class, over pairs, with its 95 % interval.

    Args:
        changes: A row for each class, a column for each seed: F1(regime) − F1(baseline).
        regime: The regime that is compared.
        baseline: The one it is compared with.
    """
    mean, low, high = t_intervals(changes.to_numpy(dtype=float))
    order = np.argsort(mean)
    figure = Figure(figsize=(WIDTH, 1.6 + 0.42 * len(changes)))
    figure.suptitle(
        f"Change of F1 by class, {regime} − {baseline}, n = {changes.shape[1]} pairs\n"
        "dots: seeds; diamond and bar: mean and its 95 % interval"
    )
    axes = figure.subplots()
    colour = of_regimes([baseline, regime])[regime]
    for row, index in enumerate(order):
        values = changes.iloc[index]
        axes.plot(values, [row + 0.2] * len(values), "o", color=colour,
                  alpha=0.45, markersize=4, markeredgewidth=0)  # fmt: skip
    error = np.nan_to_num(np.vstack((mean - low, high - mean))[:, order])
    axes.errorbar(mean[order], np.arange(len(order)) - 0.1, xerr=error, fmt="D", color="black",
                  capsize=3, markersize=4)  # fmt: skip
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(order)), changes.index[order])
    axes.set_xlabel("difference in F1 (test set, unweighted); right: better")
    return figure


@styled
def confusion_change(
    shares: Mapping[str, NDArray[np.float64]], classes: Sequence[str], seeds: int
) -> Figure:
    """The confusion matrices of two regimes side by side, and below them their difference.

    Args:
        shares: Regime → (k, k) shares of the true class (row) that were taken for each class
            (column), the mean over seeds; the baseline first, then the regime compared with it.
        classes: k names.
        seeds: How many were averaged.
    """
    (baseline, one), (regime, other) = shares.items()
    figure = Figure(figsize=(WIDTH, 9.6))
    figure.suptitle(f"Confusion on the test set, % of the true class, n = {seeds} seeds")
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.5), squeeze=False).flat
    left, right = above.subplots(1, 2)
    for axes, title, matrix in ((left, baseline, one), (right, regime, other)):
        axes.imshow(np.sqrt(matrix), cmap="cividis", vmin=0, vmax=1)
        _cells(axes, matrix, lambda share: "black" if share > 0.4 else "white", 6)
        _classes(axes, classes, 7)
        axes.set_title(title)
    right.set_yticklabels([])
    right.set_ylabel("")
    change = other - one
    largest = float(np.abs(change).max()) or 0.01
    axes = below.subplots()
    axes.imshow(change, cmap="PuOr", norm=TwoSlopeNorm(0, -largest, largest))
    _cells(axes, change, lambda share: "white" if abs(share) > 0.7 * largest else "black", 8, "+")
    _classes(axes, classes, 9)
    axes.set_title(f"{regime} − {baseline}, percentage points")
    return figure


@styled
def disagreements(found: Disagreements, classes: Sequence[str], seeds: int) -> Figure:
    """The images on which two regimes disagree most, and what each says.

    Args:
        found: The images, those of the largest disagreement first.
        classes: Names, by label.
        seeds: Over how many the probabilities were averaged.
    """
    (baseline, one), (regime, other) = found.probabilities.items()
    figure = Figure(figsize=(WIDTH, 2.35 * _ROWS + 0.6))
    figure.suptitle(f"Where {baseline} and {regime} disagree most, mean of {seeds} seeds")
    grid = figure.subplots(_ROWS, _COLUMNS)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, label, first, second in zip(
        grid.flat, found.images, found.labels, one, other, strict=False
    ):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        said = [
            f"{name}: {classes[p.argmax()]} {p.max():.0%}"
            for name, p in ((baseline, first), (regime, second))
        ]
        axes.set_title("\n".join([f"true: {classes[label]}", *said]), fontsize=8.5)
    return figure


def _cells(
    axes: Axes, matrix: NDArray[np.float64], colour: object, size: float, sign: str = ""
) -> None:
    assert callable(colour)
    for (row, column), share in np.ndenumerate(matrix):
        text = f"{100 * share:{sign}.{'1' if sign else '0'}f}"
        if float(text) != 0:
            axes.text(column, row, text, ha="center", va="center", color=colour(share),
                      fontsize=size)  # fmt: skip


def _classes(axes: Axes, classes: Sequence[str], size: float) -> None:
    axes.grid(False)
    axes.set_xticks(range(len(classes)), classes, rotation=60, ha="right", fontsize=size)
    axes.set_yticks(range(len(classes)), classes, fontsize=size)
    axes.set(xlabel="predicted class", ylabel="true class")
