"""Validation loss against training loss: does a regime regularize, or only slow learning down?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.equal_fit import loss_curves
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    plot_words,
    seeds_of,
    styled,
)
from fashion_dropout.texts import Language, regime_label

_HALO = [withStroke(linewidth=2, foreground="white")]
_NAMED = 5
"""About how many epochs of each mean path are named by their number."""


@styled
def equal_fit(histories: pd.DataFrame, regimes: Sequence[str], language: Language) -> Figure:
    """One path a seed, thin, and one of the regime's means, thick, with the epochs marked.

    Args:
        histories: A row for each regime, seed and epoch, with the columns regime, seed, epoch,
            train/loss and val/loss.
        regimes: Their order; the baseline first.
        language: Of the words.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 5.4))
    figure.suptitle(words["equal_fit"].format(n=seeds_of(histories, language)))
    axes = figure.subplots()
    colour, marker = of_regimes(regimes), markers(regimes)
    for regime in regimes:
        rows = histories[histories["regime"] == regime]
        if rows.empty:
            continue
        paths = [losses.T for losses in loss_curves(rows).values()]
        faint = max(0.08, min(0.35, 3 / len(paths)))
        axes.add_collection(
            LineCollection(paths, colors=colour[regime], linewidths=0.7, alpha=faint)
        )
        mean = rows.groupby("epoch")[["train/loss", "val/loss"]].mean()
        axes.plot(
            mean["train/loss"],
            mean["val/loss"],
            marker=marker[regime],
            markersize=4,
            linewidth=2,
            color=colour[regime],
            label=regime_label(regime, language),
        )
        step = max(1, round((len(mean) - 1) / (_NAMED - 1)))
        for epoch, x, y in mean.itertuples():
            if (epoch - 1) % step == 0 or epoch == len(mean):
                axes.annotate(str(epoch), (x, y), xytext=(0, 6), textcoords="offset points",
                              ha="center", color=colour[regime], fontsize=9,
                              path_effects=_HALO)  # fmt: skip
    axes.autoscale_view()
    shown = (*axes.get_xlim()[::-1], *axes.get_ylim())  # learning goes to the right
    axes.axline((0, 0), slope=1, color=MARKED, linewidth=1, linestyle=":",
                label=words["both_equal"])  # fmt: skip
    axes.axis(shown)
    axes.set(xlabel=words["equal_fit_x"], ylabel=words["equal_fit_y"])
    axes.legend()
    return figure
