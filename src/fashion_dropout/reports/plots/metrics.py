"""What a study found, over its epochs and over its pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fashion_dropout.comparison.statistics import Difference, mean_interval
from fashion_dropout.config.decision import Decision
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    colours,
    markers,
    spread,
    styled,
    whole_numbers,
)

Line = Literal["-", "--"]

_UNITS = {"loss": "nats", "nll": "nats", "accuracy": "share correct", "ece": "share"}
_PARTS: dict[str, tuple[Line, str]] = {"train": ("-", "training"), "val": ("--", "validation")}


def unit(metric: str) -> str:
    """The metric with its unit, for an axis: ``gap/loss (nats)``."""
    kind = metric.rpartition("/")[2].removeprefix("val_")
    named = {"rebound": "nats", "f1_macro": "mean F1 of the classes"} | _UNITS
    return f"{metric} ({named.get(kind, 'unit of the metric')})"


@styled
def study_curves(histories: pd.DataFrame, regimes: Sequence[str]) -> Figure:
    """How every regime learned: loss above, accuracy below, training and validation in each.

    Args:
        histories: A row for each regime, seed and epoch, with the columns regime, seed, epoch,
            train/loss, val/loss, train/accuracy and val/accuracy.
        regimes: Their order; the baseline first.
    """
    figure = Figure(figsize=(WIDTH, 8.4))
    figure.suptitle(
        f"Learning curves, {_count(histories)}\n"
        "thin: each seed; thick: mean; band: its 95 % interval"
    )
    colour, marker = colours(regimes), markers(regimes)
    for axes, quantity in zip(figure.subplots(2, 1), ("loss", "accuracy"), strict=True):
        for regime in regimes:
            for part, (line, _) in _PARTS.items():
                traces = _traces(histories, regime, f"{part}/{quantity}")
                shown = marker[regime] if len(regimes) <= 3 else ""
                spread(axes, traces, colour=colour[regime], line=line, marker=shown)
        axes.set(xlabel="epoch", ylabel=f"{quantity} ({_UNITS[quantity]}, dropout off)")
        whole_numbers(axes)
        axes.margins(x=0.02)
        bottom, top = axes.get_ylim()  # the band of few seeds may leave what is possible
        axes.set_ylim(max(bottom, 0), min(top, 1) if quantity == "accuracy" else top)
    handles = [
        Line2D([], [], color=colour[regime], linewidth=2, marker=marker[regime], label=regime)
        for regime in regimes
    ]
    handles += [
        Line2D([], [], color="black", linestyle=line, label=label)
        for line, label in _PARTS.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


@styled
def gap_over_epochs(histories: pd.DataFrame, regimes: Sequence[str]) -> Figure:
    """Validation loss − training loss over the epochs: overfitting itself.

    Args:
        histories: As for `study_curves`.
        regimes: Their order; the baseline first.
    """
    figure = Figure(figsize=(WIDTH, 4.6))
    figure.suptitle(f"The gap over the epochs, {_count(histories)}")
    axes = figure.subplots()
    colour, marker = colours(regimes), markers(regimes)
    table = histories.assign(gap=histories["val/loss"] - histories["train/loss"])
    for regime in regimes:
        traces = _traces(table, regime, "gap")
        spread(axes, traces, colour=colour[regime], marker=marker[regime], label=regime)
    axes.axhline(0, color=MARKED, linewidth=1)
    axes.set(xlabel="epoch", ylabel="validation loss − training loss\n(nats, dropout off)")
    whole_numbers(axes)
    axes.legend(ncols=1 if len(regimes) <= 4 else 2)
    return figure


@styled
def paired_differences(differences: Sequence[Difference], rule: Decision) -> Figure:
    """One dot a seed, the mean of each regime and its 95 % interval.

    Args:
        differences: The differences in the primary metric, one for each regime other than the
            baseline.
        rule: The decision rule of the study. The differences inside ± its smallest difference of
            interest are shaded.
    """
    figure = Figure(figsize=(WIDTH, 2.1 + 0.8 * len(differences)))
    figure.suptitle(
        f"{rule.primary}: difference from {rule.baseline}, a dot for each pair of one seed\n"
        "diamond and bar: mean and its 95 % interval\n"
        f"grey: ±{rule.smallest_difference:g}, too small to matter"
    )
    axes = figure.subplots()
    inside = rule.smallest_difference
    axes.axvspan(-inside, inside, color="#BBBBBB", alpha=0.5, linewidth=0)
    axes.axvline(0, color="black", linewidth=1)
    for row, one in enumerate(differences):
        values = list(one.by_seed.values())
        places = row + np.linspace(0.12, 0.38, len(values))
        axes.plot(values, places, "o", color=colours([rule.baseline, one.regime])[one.regime],
                  markersize=6, alpha=0.7, markeredgewidth=0)  # fmt: skip
        if np.isfinite(one.mean):
            error = [[one.mean - one.low], [one.high - one.mean]] if one.n > 1 else None
            axes.errorbar(one.mean, row - 0.1, xerr=error, fmt="D", color="black", capsize=5,
                          markersize=6, linewidth=2)  # fmt: skip
    better = {"lower": "left: better", "higher": "right: better"}[rule.direction]
    axes.set(
        xlabel=f"difference in {unit(rule.primary)}; {better}", ylim=(-0.4, len(differences) - 0.4)
    )
    axes.set_yticks(
        range(len(differences)), [f"{one.regime}\n(n = {one.n})" for one in differences]
    )
    axes.invert_yaxis()
    return figure


@styled
def dose_response(
    runs: pd.DataFrame, doses: Mapping[str, float], parameter: str, metrics: Sequence[str]
) -> Figure:
    """Each metric against the value of the one parameter in which the regimes differ.

    Args:
        runs: A table of runs (see `statistics`).
        doses: Regime → its value of the parameter.
        parameter: Its name.
        metrics: One panel for each.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + 2.3 * len(metrics)))
    figure.suptitle(
        f"Dose and response, n = {runs.groupby('regime').size().max()} seeds\n"
        "dots: runs; line: mean and its 95 % interval"
    )
    ordered = sorted(doses, key=doses.__getitem__)
    grid = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)
    for axes, metric in zip(grid.flat, metrics, strict=True):
        for regime in ordered:
            values = runs.loc[runs["regime"] == regime, metric]
            axes.plot([doses[regime]] * len(values), values, "o", color="#00416A", alpha=0.25,
                      markersize=4, markeredgewidth=0)  # fmt: skip
        means = np.array([mean_interval(runs, regime, metric) for regime in ordered])
        error = np.nan_to_num(np.abs(means[:, 1:] - means[:, :1]).T)
        axes.errorbar([doses[regime] for regime in ordered], means[:, 0], error, fmt="o-",
                      color="#E08214", markeredgecolor="black", ecolor="black", capsize=4,
                      markersize=5)  # fmt: skip
        axes.set_ylabel(unit(metric).replace(" (", "\n("))
    grid[-1, 0].set_xlabel(f"{parameter}")
    return figure


def _traces(histories: pd.DataFrame, regime: str, metric: str) -> pd.DataFrame:
    """A column for each seed, indexed by epoch."""
    rows = histories[histories["regime"] == regime]
    return rows.pivot_table(index="epoch", columns="seed", values=metric)


def _count(histories: pd.DataFrame) -> str:
    counts = histories.groupby("regime")["seed"].nunique()
    few, many = int(counts.min()), int(counts.max())
    return f"n = {few if few == many else f'{few} to {many}'} seeds for each regime"
