"""What a study found, over its epochs and over its pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.statistics import Difference, mean_interval
from fashion_dropout.config.decision import Decision
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    metric_axis,
    name_line_ends,
    plot_words,
    seeds_of,
    spread,
    styled,
    tick_epochs,
)
from fashion_dropout.texts import Language, Signed, regime_label

Line = Literal["-", "--"]

_PARTS: dict[str, tuple[Line, str]] = {"train": ("-", "training"), "val": ("--", "validation")}
_NAMED_SEEDS = 12
"""Up to so many pairs, each dot of the paired differences has the number of its seed."""


@styled
def study_curves(histories: pd.DataFrame, regimes: Sequence[str], language: Language) -> Figure:
    """How every regime learned: loss above, accuracy below, training and validation in each.

    Args:
        histories: A row for each regime, seed and epoch, with the columns regime, seed, epoch,
            train/loss, val/loss, train/accuracy and val/accuracy.
        regimes: Their order; the baseline first.
        language: Of the words.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 8.0))
    figure.suptitle(words["curves"].format(n=seeds_of(histories, language)))
    colour, marker = of_regimes(regimes), markers(regimes)
    for axes, quantity in zip(figure.subplots(2, 1), ("loss", "accuracy"), strict=True):
        ends: list[tuple[float, str, str]] = []
        for regime in regimes:
            for part, (line, _) in _PARTS.items():
                traces = _traces(histories, regime, f"{part}/{quantity}")
                shown = marker[regime] if len(regimes) <= 3 else ""
                spread(axes, traces, colour=colour[regime], line=line, marker=shown)
                ends += _end(traces, regime, colour[regime], language)
        unit = words["dropout_off"].format(unit=words["units"][quantity])
        name = words["quantities"][quantity]
        axes.set(xlabel=words["epoch"], ylabel=words["axis"].format(name=name, unit=unit))
        tick_epochs(axes, int(histories["epoch"].max()))
        axes.margins(x=0.02)
        bottom, top = axes.get_ylim()  # the band of few seeds may leave what is possible
        axes.set_ylim(max(bottom, 0), min(top, 1) if quantity == "accuracy" else top)
        name_line_ends(axes, ends)
        handles = [
            Line2D([], [], color=MARKED, linestyle=line, label=words[label])
            for line, label in _PARTS.values()
        ]
        axes.legend(handles=handles)
    return figure


@styled
def gap_over_epochs(histories: pd.DataFrame, regimes: Sequence[str], language: Language) -> Figure:
    """Validation loss − training loss over the epochs: overfitting itself.

    Args:
        histories: As for `study_curves`.
        regimes: Their order; the baseline first.
        language: Of the words.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 4.2))
    figure.suptitle(words["gap"].format(n=seeds_of(histories, language)))
    axes = figure.subplots()
    colour, marker = of_regimes(regimes), markers(regimes)
    table = histories.assign(gap=histories["val/loss"] - histories["train/loss"])
    ends: list[tuple[float, str, str]] = []
    for regime in regimes:
        traces = _traces(table, regime, "gap")
        spread(axes, traces, colour=colour[regime], marker=marker[regime])
        ends += _end(traces, regime, colour[regime], language)
    axes.axhline(0, color=MARKED, linewidth=1)
    axes.set(xlabel=words["epoch"], ylabel=words["gap_y"])
    tick_epochs(axes, int(histories["epoch"].max()))
    axes.set_ylim(axes.get_ylim())
    name_line_ends(axes, ends)
    return figure


@styled
def paired_differences(
    differences: Sequence[Difference], rule: Decision, language: Language
) -> Figure:
    """One dot a seed, the mean of each regime and the interval that decides, with their values.

    Args:
        differences: The differences in the primary metric, one for each regime other than the
            baseline.
        rule: The decision rule of the study. The differences inside ± its smallest difference of
            interest are shaded.
        language: Of the words.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 1.4 + 1.3 * len(differences)))
    baseline = regime_label(rule.baseline, language)
    figure.suptitle(words["paired"].format(metric=rule.primary, baseline=baseline))
    axes = figure.subplots()
    inside = rule.smallest_difference
    axes.axvspan(-inside, inside, color="#BBBBBB", alpha=0.5, linewidth=0)
    axes.axvline(0, color="black", linewidth=1)
    means = []
    for row, one in enumerate(differences):
        colour = of_regimes([rule.baseline, one.regime])[one.regime]
        places = row + 0.1 + 0.16 * (np.arange(one.n) % 3)  # three rows: labels need room
        ordered = sorted(one.by_seed.items(), key=lambda item: item[1])
        values = [value for _, value in ordered]
        axes.plot(values, places, "o", color=colour, markersize=6, alpha=0.7, markeredgewidth=0)
        if one.n <= _NAMED_SEEDS:
            for (seed, value), place in zip(ordered, places, strict=True):
                axes.annotate(str(seed), (value, place), xytext=(0, -5), fontsize=7,
                              textcoords="offset points", ha="center", va="top",
                              color=MARKED)  # fmt: skip
        if np.isfinite(one.mean):
            error = [[one.mean - one.low], [one.high - one.mean]] if one.n > 1 else None
            axes.errorbar(one.mean, row - 0.1, xerr=error, fmt="D", color="black", capsize=5,
                          markersize=6, linewidth=2)  # fmt: skip
            shown = f"{Signed(one.mean):+.4f}"
            if error:
                shown += f" [{Signed(one.low):+.4f}, {Signed(one.high):+.4f}]"
            means.append((one.mean, row - 0.1, shown))
    left, right = axes.get_xlim()
    for mean, place, shown in means:  # those near to a side grow away from it
        share = (mean - left) / (right - left)
        side = "left" if share < 0.3 else "right" if share > 0.7 else "center"
        axes.annotate(shown, (mean, place), xytext=(0, 7), textcoords="offset points",
                      fontsize=9, ha=side, va="bottom")  # fmt: skip
    axes.set_xlim(left, right)
    better = words[{"lower": "left_better", "higher": "right_better"}[rule.direction]]
    axes.set(
        xlabel=words["paired_x"].format(axis=metric_axis(rule.primary, language), better=better),
        ylim=(-0.5, len(differences) - 0.4),
    )
    names = [f"{regime_label(one.regime, language)}\n(n = {one.n})" for one in differences]
    axes.set_yticks(range(len(differences)), names)
    axes.invert_yaxis()
    return figure


@styled
def dose_response(
    runs: pd.DataFrame,
    doses: Mapping[str, float],
    parameter: str,
    metrics: Sequence[str],
    language: Language,
) -> Figure:
    """Each metric against the value of the one parameter in which the regimes differ.

    Args:
        runs: A table of runs (see `statistics`).
        doses: Regime → its value of the parameter.
        parameter: Its name.
        metrics: One panel for each.
        language: Of the words.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + 2.3 * len(metrics)))
    figure.suptitle(plot_words(language)["dose"].format(n=seeds_of(runs, language)))
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
        axes.set_ylabel(metric_axis(metric, language).replace("(", "\n(").replace(" \n", "\n"))
    grid[-1, 0].set_xticks([doses[regime] for regime in ordered])
    grid[-1, 0].set_xlabel(parameter)
    return figure


def _traces(histories: pd.DataFrame, regime: str, metric: str) -> pd.DataFrame:
    """A column for each seed, indexed by epoch."""
    rows = histories[histories["regime"] == regime]
    return rows.pivot_table(index="epoch", columns="seed", values=metric)


def _end(
    traces: pd.DataFrame, regime: str, colour: str, language: Language
) -> Iterator[tuple[float, str, str]]:
    """The end of the mean's line for `name_line_ends`, if there is one."""
    last = float(traces.iloc[-1].mean()) if len(traces) else np.nan
    if np.isfinite(last):
        yield last, regime_label(regime, language), colour
