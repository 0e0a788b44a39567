"""What a study found, over its epochs and over the value of a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.summary import mean_interval
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    metric_unit,
    name_line_ends,
    plot_words,
    seeds_of,
    spread,
    styled,
    tick_epochs,
)
from fashion_dropout.texts import Language, regime_label

_PARTS = {"train": ("-", "training"), "val": ("--", "validation")}


@styled
def study_curves(
    histories: pd.DataFrame,
    regimes: Sequence[str],
    language: Language,
    quantity: Literal["loss", "accuracy"] = "loss",
) -> Figure:
    """How every regime learned: training and validation curves of each.

    Histories have a row for each regime, seed and epoch, with the columns regime, seed, epoch,
    train/loss, val/loss, train/accuracy and val/accuracy.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 4.2))
    figure.suptitle(words["curves"].format(n=seeds_of(histories, language)))
    colour, marker = of_regimes(regimes), markers(regimes)
    axes = figure.subplots()
    ends: list[tuple[float, str, str]] = []
    for regime in regimes:
        for part, (line, label) in _PARTS.items():
            traces = _traces(histories, regime, f"{part}/{quantity}")
            few = len(regimes) <= 3 or len(set(histories["epoch"])) == 1  # else there is a line
            shown = marker[regime] if few else ""
            spread(axes, traces, colour=colour[regime], line=line, marker=shown)
            name = words["line_end"].format(
                regime=regime_label(regime, language), part=words[label]
            )
            ends += _end(traces, name, colour[regime])
    unit = words["dropout_off"].format(unit=words["units"][quantity])
    name = words["quantities"][quantity]
    axes.set(xlabel=words["epoch"], ylabel=words["axis"].format(name=name, unit=unit))
    tick_epochs(axes, int(histories["epoch"].max()))
    axes.margins(x=0.02)
    bottom, top = axes.get_ylim()  # the band of few seeds may leave what is possible
    values = histories[[f"{part}/{quantity}" for part in _PARTS]]
    if not values.lt(0).any(axis=None):
        bottom = max(bottom, 0)
    if quantity == "accuracy" and not values.gt(1).any(axis=None):
        top = min(top, 1)
    axes.set_ylim(bottom, top)
    name_line_ends(axes, ends)
    return figure


@styled
def gap_over_epochs(histories: pd.DataFrame, regimes: Sequence[str], language: Language) -> Figure:
    """Validation loss − training loss over the epochs: overfitting itself; see `study_curves`."""
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
        ends += _end(traces, regime_label(regime, language), colour[regime])
    axes.axhline(0, color=MARKED, linewidth=1)
    axes.set(xlabel=words["epoch"], ylabel=words["gap_y"])
    tick_epochs(axes, int(histories["epoch"].max()))
    axes.set_ylim(axes.get_ylim())
    name_line_ends(axes, ends)
    return figure


@styled
def dose_response(
    runs: pd.DataFrame,
    doses: Mapping[str, float],
    parameter: str,
    metrics: Sequence[str],
    language: Language,
) -> Figure:
    """Each metric of a table of runs (see `comparison.statistics`), in a panel of its own, against
    the value (`doses`) of the one parameter in which the regimes differ.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 0.8 + 2.3 * len(metrics)))
    figure.suptitle(words["dose"].format(n=seeds_of(runs, language)))
    ordered = sorted(doses, key=doses.__getitem__)
    places = [doses[regime] for regime in ordered]
    grid = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)
    for axes, metric in zip(grid.flat, metrics, strict=True):
        for regime in ordered:
            values = runs.loc[runs["regime"] == regime, metric]
            axes.plot([doses[regime]] * len(values), values, "o", color="#00416A", alpha=0.25,
                      markersize=4, markeredgewidth=0)  # fmt: skip
        means = np.array([mean_interval(runs, regime, metric) for regime in ordered])
        error = np.nan_to_num(np.abs(means[:, 1:] - means[:, :1]).T)
        axes.fill_between(places, *means[:, 1:].T, color="#E08214", alpha=0.15, linewidth=0)
        axes.errorbar(places, means[:, 0], error, fmt="o-",
                      color="#E08214", markeredgecolor="black", ecolor="black", capsize=4,
                      markersize=5)  # fmt: skip
        label = words["axis"].format(name=f"{metric}\n", unit=metric_unit(metric, language))
        axes.set_ylabel(label.replace("\n ", "\n"))
    grid[-1, 0].set_xticks(places)
    grid[-1, 0].set_xlabel(parameter)
    return figure


def _traces(histories: pd.DataFrame, regime: str, metric: str) -> pd.DataFrame:
    """A column for each seed, indexed by epoch."""
    rows = histories[histories["regime"] == regime]
    return rows.pivot_table(index="epoch", columns="seed", values=metric)


def _end(traces: pd.DataFrame, name: str, colour: str) -> Iterator[tuple[float, str, str]]:
    """The end of the mean's line for `name_line_ends`, if there is one."""
    shared = traces.dropna()
    if len(shared):
        yield float(shared.iloc[-1].mean()), name, colour
