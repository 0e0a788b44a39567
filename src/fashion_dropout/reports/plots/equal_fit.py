"""Validation loss against training loss: does a regime regularize, or only slow learning down?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fashion_dropout.colours import of_regimes
from fashion_dropout.reports.plots.style import MARKED, WIDTH, count, markers, styled

_NAMED = 5
"""About how many epochs of each mean path are named by their number."""


@styled
def equal_fit(histories: pd.DataFrame, regimes: Sequence[str]) -> Figure:
    """One path a seed, thin, and one of the regime's means, thick, with the epochs marked.

    Args:
        histories: A row for each regime, seed and epoch, with the columns regime, seed, epoch,
            train/loss and val/loss.
        regimes: Their order; the baseline first.
    """
    figure = Figure(figsize=(WIDTH, 5.4))
    figure.suptitle(
        f"Read at equal fit, {count(histories)}\n"
        "thin: each seed, epoch by epoch; thick: mean; numbers: epochs"
    )
    axes = figure.subplots()
    colour, marker = of_regimes(regimes), markers(regimes)
    for regime in regimes:
        rows = histories[histories["regime"] == regime]
        if rows.empty:
            continue
        paths = [
            one.sort_values("epoch")[["train/loss", "val/loss"]].to_numpy(dtype=float)
            for _, one in rows.groupby("seed")
        ]
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
            label=regime,
        )
        step = max(1, round((len(mean) - 1) / (_NAMED - 1)))
        for epoch, x, y in mean.itertuples():
            if (epoch - 1) % step == 0 or epoch == len(mean):
                axes.annotate(str(epoch), (x, y), xytext=(0, 6), textcoords="offset points",
                              ha="center", color=colour[regime], fontsize=9)  # fmt: skip
    axes.autoscale_view()
    shown = (*axes.get_xlim()[::-1], *axes.get_ylim())  # learning goes to the right
    axes.axline((0, 0), slope=1, color=MARKED, linewidth=1, linestyle=":")
    axes.axis(shown)
    axes.set(
        xlabel="training loss (nats, dropout off); learning goes to the right",
        ylabel="validation loss (nats)",
    )
    axes.legend()
    return figure
