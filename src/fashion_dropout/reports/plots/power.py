"""How probably a study shows what, over the number of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fashion_dropout.comparison.power import POWER, Power
from fashion_dropout.reports.plots.style import MARKED, WIDTH, plot_words, styled
from fashion_dropout.texts import Language

_LINES = (
    ("difference", "#00416a", "-", "o"),
    ("unharmed", "#00416a", "--", "s"),
    ("equivalence", "#e08214", "-", "D"),
)


@styled
def power_curves(
    points: Sequence[Power],
    looks: Sequence[Power],
    *,
    smallest: float,
    declared: int,
    guarded: bool,
    language: Language,
) -> Figure:
    """A line for each thing that a study may show, and a marker at each look that it declares.

    The points, by rising numbers of pairs, are the power with one look. The study declares so many
    seeds, and `smallest` as its smallest difference of interest; `guarded` says whether a line
    with the guards is drawn.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 4.2))
    figure.suptitle(words["power"])
    axes = figure.subplots()
    for what, colour, line, marker in _LINES:
        if what == "unharmed" and not guarded:
            continue
        share = attrgetter(what)
        axes.plot([point.pairs for point in points], [100 * share(point) for point in points], line,
                  color=colour, linewidth=2,
                  label=words[f"power_{what}"].format(smallest=smallest))  # fmt: skip
        axes.plot([look.pairs for look in looks], [100 * share(look) for look in looks], marker,
                  color=colour, markerfacecolor="white", markersize=6)  # fmt: skip
    axes.axhline(100 * POWER, color=MARKED, linewidth=1, linestyle=":")
    axes.axvline(declared, color=MARKED, linewidth=1)
    axes.annotate(words["power_declared"].format(n=declared), (declared, 1), xytext=(0, 3),
                  xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
                  va="bottom", color=MARKED, fontsize=9)  # fmt: skip
    if looks:
        axes.plot([], [], "o", color=MARKED, markerfacecolor="white", label=words["power_looks"])
    axes.set(xlabel=words["power_x"], ylabel=words["power_y"], ylim=(0, 102))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")
    return figure
