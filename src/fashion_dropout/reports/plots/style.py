"""What all figures have in common: colours, sizes, words, and how a spread over seeds is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fashion_dropout.comparison.statistics import row_intervals
from fashion_dropout.config import metrics
from fashion_dropout.config.cell import are_crossed
from fashion_dropout.drawing import fixed_settings, japanese_font
from fashion_dropout.texts import Count, Language, texts

WIDTH = 6.4
"""Inches. With the sizes of text below, a figure can be read on a phone and on half a page."""

MARKED = "#595959"

_TEXT: Any = {
    **japanese_font(),
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
_SMALL = 9
"""Points, of the labels inside a figure."""

styled = fixed_settings(_TEXT)
"""Lets a function draw a figure with these sizes, whatever Matplotlib was told elsewhere."""


def plot_words(language: Language) -> Mapping[str, Any]:
    """The words of the figures."""
    words: Mapping[str, Any] = texts(language)["plots"]
    return words


def metric_unit(metric: str, language: Language) -> str:
    """The unit of a metric: ``nats``."""
    return str(plot_words(language)["units"][metrics.of(metric).unit])


def markers(regimes: Sequence[str]) -> dict[str, str]:
    """A marker for each regime."""
    return {regime: _MARKERS[index % len(_MARKERS)] for index, regime in enumerate(regimes)}


def seeds_of(histories: pd.DataFrame, language: Language) -> str:
    """How many seeds the regimes of a table with the columns regime and seed have, for a title."""
    counts = histories.groupby("regime")["seed"].nunique()
    few, many = int(counts.min()), int(counts.max())
    words = plot_words(language)
    begins = "" if few == many else words["range"].format(few=few)
    crossed = are_crossed(histories["seed"])
    return str(words["n_runs" if crossed else "n_seeds"].format(few=begins, n=Count(many)))


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

    Mean and band end where the first trace does: a mean of those that went on would be of others.
    The traces have a column for each seed, NaN where it has no value; their index is the horizontal
    axis. Marker and label are those of the mean.
    """
    if traces.empty:
        return
    x = traces.index.to_numpy(dtype=float)
    lines = [np.column_stack((x, column)) for column in traces.to_numpy(dtype=float).T]
    thin_lines(axes, lines, colour, max(0.08, min(0.45, 4 / len(lines))), line)
    shared = traces.dropna()
    x = shared.index.to_numpy(dtype=float)
    mean, low, high = row_intervals(shared)
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean, line, color=colour, linewidth=2, marker=marker, markersize=4, label=label)


def thin_lines(
    axes: Axes, lines: Sequence[NDArray[np.float64]], colour: str, alpha: float, line: str = "-"
) -> None:
    """Lines of single seeds, each of shape (points, 2)."""
    axes.add_collection(
        LineCollection(lines, colors=colour, linewidths=0.7, linestyles=line, alpha=alpha)
    )


def name_line_ends(axes: Axes, ends: Iterable[tuple[float, str, str]]) -> None:
    """Write names right of axes whose limits are final, each as near to the end of its line (last
    value, name, colour) as the others let it.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    bottom, top = axes.get_ylim()
    rows = max(1, len({panel.get_position().y0 for panel in figure.axes}))
    room = 0.75 * figure.get_figheight() / rows  # inches; the layout is not known before drawing
    least = 1.25 * _SMALL / 72 / room
    place = -np.inf
    for value, name, colour in sorted(ends):
        place = max(place + least, (value - bottom) / (top - bottom))
        axes.annotate(name, (1, place), xycoords="axes fraction", xytext=(6, 0),
                      textcoords="offset points", va="center", color=colour,
                      fontsize=_SMALL)  # fmt: skip


def tick_epochs(axes: Axes, last: int) -> None:
    """Put the ticks of the horizontal axis at the first epoch and at round ones: 1, 5, 10, …."""
    step = next(step for step in (1, 5, 10, 20, 50, 100, last) if last <= 8 * step)
    axes.set_xticks(sorted({1, *range(step, last + 1, step)}))
