"""What all figures have in common: colours, sizes, and how a spread over seeds is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fashion_dropout.comparison.statistics import t_intervals

WIDTH = 6.4
"""Inches. With the sizes of text below, a figure can be read on a phone and on half a page."""

MARKED = "#595959"

_TEXT: Any = {
    "font.size": 11,
    "axes.titlesize": 11,
    "figure.titlesize": 12,
    "legend.fontsize": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
}
_MARKERS = "osD^vP*Xh"

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw a figure with the text sizes of this module, whatever Matplotlib was told elsewhere."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_TEXT):
            return draw(*args, **kwargs)

    return drawn


def markers(regimes: Sequence[str]) -> dict[str, str]:
    """A marker for each regime."""
    return {regime: _MARKERS[index % len(_MARKERS)] for index, regime in enumerate(regimes)}


def count(histories: pd.DataFrame) -> str:
    """How many seeds the regimes have, for a title.

    Args:
        histories: A table with the columns regime and seed.
    """
    counts = histories.groupby("regime")["seed"].nunique()
    few, many = int(counts.min()), int(counts.max())
    return f"n = {few if few == many else f'{few} to {many}'} seeds for each regime"


def spread(
    axes: Axes,
    traces: pd.DataFrame,
    *,
    colour: str,
    line: str = "-",
    marker: str = "",
    label: str = "",
) -> None:
    """Every seed's trace, thin; their mean, thick; the 95 % t interval of the mean as a band.

    Args:
        axes: The axes to draw on.
        traces: A column for each seed; the index is the horizontal axis. NaN where a seed has no
            value.
        colour: The colour of traces, mean and band.
        line: Style of the mean and the traces.
        marker: The marker of the mean; no marker if empty.
        label: The name of the mean in the legend.
    """
    if traces.empty:
        return
    x = traces.index.to_numpy(dtype=float)
    lines = [np.column_stack((x, column)) for column in traces.to_numpy(dtype=float).T]
    axes.add_collection(
        LineCollection(
            lines,
            colors=colour,
            linewidths=0.7,
            linestyles=line,
            alpha=max(0.08, min(0.45, 4 / len(lines))),
        )
    )
    mean, low, high = t_intervals(traces.to_numpy(dtype=float))
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean, line, color=colour, linewidth=2, marker=marker, markersize=4, label=label)


def whole_numbers(axes: Axes) -> None:
    """Put the ticks of the horizontal axis at whole numbers, for epochs."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
