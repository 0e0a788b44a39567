"""Validation loss against training loss: does a regime regularize, or only slow learning down?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.equal_fit import FitCurve, loss_curves
from fashion_dropout.config import metrics
from fashion_dropout.config.decision import Decision
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    plot_words,
    seeds_of,
    styled,
    thin_lines,
)
from fashion_dropout.texts import Count, Language, difference_label, regime_label

_HALO = [withStroke(linewidth=2, foreground="white")]
_NAMED = 5
"""About how many epochs of each mean path are named by their number."""
_TICKS = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)


@styled
def equal_fit(
    histories: pd.DataFrame,
    regimes: Sequence[str],
    compared: tuple[str, FitCurve] | None,
    rule: Decision,
    language: Language,
) -> Figure:
    """Above one path a seed, thin, and one of the regime's means, thick, with the epochs marked;
    below the paired difference wherever all pairs fit the training images equally well: of the
    regime that is `compared`, by its curve.

    Histories have a row for each regime, seed and epoch, with the columns regime, seed, epoch,
    train/loss and val/loss.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 8.6 if compared else 5.8))
    figure.suptitle(words["equal_fit"].format(n=seeds_of(histories, language)))
    rows = 2 if compared else 1
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=(3, 2)[:rows])[:, 0]
    _paths(panels[0], histories, regimes, language)
    if compared:
        regime, curve = compared
        panels[0].axvspan(curve.levels[0], curve.levels[-1], color="#BBBBBB", alpha=0.3,
                          linewidth=0, label=words["equal_fit_range"])  # fmt: skip
        colour = of_regimes([rule.baseline, regime])[regime]
        _difference(panels[1], curve, colour, rule, language)
        label = words["equal_fit_difference"].format(
            difference=difference_label(regime, rule.baseline, language)
        )
        panels[1].set_ylabel(label, fontsize=9)
    panels[-1].set_xlabel(words["equal_fit_x"])
    handles = [handle for axes in panels for handle in axes.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _paths(axes: Axes, histories: pd.DataFrame, regimes: Sequence[str], language: Language) -> None:
    words = plot_words(language)
    colour, marker = of_regimes(regimes), markers(regimes)
    for place, regime in enumerate(regimes):
        rows = histories[histories["regime"] == regime]
        if rows.empty:
            continue
        paths = [losses.T for losses in loss_curves(rows).values()]
        thin_lines(axes, paths, colour[regime], max(0.08, min(0.35, 3 / len(paths))))
        whole = rows.dropna(subset=["train/loss", "val/loss"]).groupby("epoch")
        mean = whole[["train/loss", "val/loss"]].mean()
        mean = mean[whole.size() == rows["seed"].nunique()]  # else of those that went on
        axes.plot(
            mean["train/loss"],
            mean["val/loss"],
            marker=marker[regime],
            markersize=4,
            linewidth=2,
            color=colour[regime],
            label=regime_label(regime, language),
        )
        if place > 1:  # more numbers than can be told apart
            continue
        side = -5 if place else 5  # those of the baseline above its path, the others below
        step = max(1, round((len(mean) - 1) / (_NAMED - 1)))
        for at, (epoch, x, y) in enumerate(mean.itertuples()):
            if at % step == 0 or at == len(mean) - 1:
                dx = 0 if at else -9  # left of where the path begins
                axes.annotate(str(epoch), (x, y), xytext=(dx, side), textcoords="offset points",
                              ha="center", va="bottom" if side > 0 else "top",
                              color=colour[regime], fontsize=9, path_effects=_HALO)  # fmt: skip
    axes.set_xscale("log")
    axes.autoscale_view()
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    equal = np.linspace(max(left, bottom), min(right, top), 100)
    axes.plot(equal, equal, color=MARKED, linewidth=1, linestyle=":", label=words["both_equal"])
    axes.set(xlim=(right, left), ylim=(bottom, top))  # learning goes to the right
    ticks = [tick for tick in _TICKS if left <= tick <= right]
    if len(ticks) > 1:
        axes.set_xticks(ticks)
    else:  # losses of another size than those of a classifier
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(words["equal_fit_y"])


def _difference(
    axes: Axes, curve: FitCurve, colour: str, rule: Decision, language: Language
) -> None:
    words = plot_words(language)
    confidence = 100 * curve.confidence
    inside = rule.smallest_difference
    if metrics.of_pairs(rule.primary) and metrics.of(rule.primary).unit == "loss":
        axes.axhspan(-inside, inside, color="#BBBBBB", alpha=0.4, linewidth=0,
                     label=words["too_small"])  # fmt: skip
    axes.axhline(0, color="black", linewidth=1)
    lines = [np.column_stack((curve.levels, difference)) for difference in curve.by_seed.values()]
    thin_lines(axes, lines, colour, max(0.1, min(0.5, 4 / len(lines))))
    axes.plot(curve.levels, curve.mean, color=colour, linewidth=2,
              label=words["mean_of_pairs"].format(n=Count(len(lines))))  # fmt: skip
    if np.isfinite(curve.low).any():
        axes.fill_between(curve.levels, curve.low, curve.high, color=colour, alpha=0.25,
                          linewidth=0,
                          label=words["band"].format(confidence=confidence))  # fmt: skip
    axes.autoscale_view()
    bottom, top = axes.get_ylim()
    axes.plot(list(curve.points.values()), [bottom] * len(curve.points), "^", color=colour,
              markersize=7, alpha=0.6, markeredgewidth=0, clip_on=False,
              label=words["reading_points"])  # fmt: skip
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(MaxNLocator(6))
