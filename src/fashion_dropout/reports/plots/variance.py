"""Where the spread comes from: standard deviations by what moves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.spread import Place, Variance
from fashion_dropout.comparison.spread_words import metrics_of, named, places_of, share_label, what
from fashion_dropout.reports.plots.style import WIDTH, metric_unit, plot_words, styled
from fashion_dropout.texts import Language

_SMALL = 8
_ROW = 0.24
"""Between the dots of one source, as a share of the room that it has."""


@styled
def spread_by_source(variance: Variance, language: Language) -> Figure:
    """A panel for each metric, a group of rows for each study, a dot for each place."""
    words, metrics = plot_words(language), metrics_of(variance)
    sources = [of.sources for of in next(iter(variance.spreads.values()))]
    most = max(len(places_of(variance, metric)) for metric in metrics)
    height = 0.9 + len(sources) * (0.25 + 0.14 * most)
    figure = Figure(figsize=(WIDTH, 0.5 + 0.2 * most + height * len(metrics)))
    figure.suptitle(words["variance"])
    panels = figure.subplots(len(metrics), 1, squeeze=False)[:, 0]
    for axes, metric in zip(panels, metrics, strict=True):
        _panel(axes, variance, metric, language)
        axes.set_yticks(
            range(len(sources)), [named(of, variance, language) for of in sources], fontsize=9
        )
        unit = metric_unit(metric, language)
        axes.set_xlabel(words["variance_x"].format(name=metric, unit=unit), fontsize=9)
        axes.tick_params(axis="x", labelsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center")
    return figure


def _panel(axes: Axes, variance: Variance, metric: str, language: Language) -> None:
    """The dots of a metric, each with its share."""
    places = places_of(variance, metric)
    colour = _colours(places, variance)
    for number, place in enumerate(places):
        spreads = variance.spreads[place]
        values = np.array([spread.deviation for spread in spreads])
        rows = np.arange(len(spreads)) + _ROW * (number - (len(places) - 1) / 2)
        error = np.abs(values[:, 1:] - values[:, :1]).T
        axes.errorbar(values[:, 0], rows, xerr=error, fmt="D" if place.paired else "o",
                      color=colour[place], capsize=2, markersize=4, linewidth=1.2,
                      label=what(place, variance, language))  # fmt: skip
        for spread, row in zip(spreads, rows, strict=True):
            right = spread.deviation.high
            if np.isfinite(right) and spread.sources != variance.everything:
                axes.annotate(share_label(spread, language), (right, row), xytext=(5, 0),
                              textcoords="offset points", va="center", color=colour[place],
                              fontsize=_SMALL)  # fmt: skip
    ends = [spread.deviation.high for place in places for spread in variance.spreads[place]]
    largest = max((end for end in ends if np.isfinite(end)), default=0.0)
    axes.set_xlim(0, 1.2 * largest if largest > 0 else 1)
    axes.set_ylim(-0.6, len(variance.spreads[places[0]]) - 0.4)
    axes.invert_yaxis()


def _colours(places: list[Place], variance: Variance) -> dict[Place, str]:
    """Regimes in their colours, differences in black."""
    regimes = list(dict.fromkeys([variance.baseline, *(place.regime for place in places)]))
    of = of_regimes(regimes)
    return {place: "black" if place.paired else of[place.regime] for place in places}
