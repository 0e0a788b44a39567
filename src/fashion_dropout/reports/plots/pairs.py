"""What a study found, over its pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.figures import with_interval
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.config.cell import pair_text
from fashion_dropout.config.decision import Decision
from fashion_dropout.reports.plots.style import MARKED, WIDTH, metric_unit, plot_words, styled
from fashion_dropout.texts import Count, Language, metric_title, regime_label

_NAMED_SEEDS = 12
"""Up to so many pairs, each dot of the paired differences has the number of its seed."""
_SMALL = 9
"""Points, of the labels of two panels beside each other."""
_WIDEST = 12
"""Characters in a line of a regime's name below its values: the two names stand close together."""


@styled
def paired_differences(
    differences: Sequence[Difference],
    values: Mapping[tuple[str, int], float],
    rule: Decision,
    language: Language,
) -> Figure:
    """One dot a seed, the mean of each regime and the interval that decides, with their values.

    Beside it, of a study of two regimes, both values of each pair, joined by a line (Gardner and
    Altman 1986).

    Differences and values are those in the primary metric, the former one for each regime other
    than the baseline; those inside ± the rule's smallest difference of interest are shaded.
    """
    sloped = len(differences) == 1
    figure = Figure(figsize=(WIDTH, 3.6 if sloped else 1.8 + 1.3 * len(differences)))
    title = metric_title(rule.primary, language)
    if sloped:
        words = plot_words(language)
        title = words["paired"].format(
            metric=title, n=words["n_pairs"].format(n=Count(differences[0].n))
        )
    figure.suptitle(fill(title, 66), fontsize=11)
    panels = figure.subplots(1, 1 + sloped, squeeze=False, width_ratios=(2, 3)[-1 - sloped :])[0]
    if sloped:
        _slopes(panels[0], differences[0], values, rule, language)
    _dots(panels[-1], differences, rule, language)
    return figure


def _slopes(
    axes: Axes,
    difference: Difference,
    values: Mapping[tuple[str, int], float],
    rule: Decision,
    language: Language,
) -> None:
    """Both values of each pair, joined by a line, and the mean of each regime."""
    regimes = (rule.baseline, difference.regime)
    colour = of_regimes(regimes)
    pairs = np.array([[values[regime, seed] for regime in regimes] for seed in difference.by_seed])
    axes.plot(
        [0, 1], pairs.T, color=MARKED, linewidth=0.8, alpha=max(0.1, min(0.6, 6 / difference.n))
    )
    for place, regime in enumerate(regimes):
        axes.plot([place] * difference.n, pairs[:, place], "o", color=colour[regime], markersize=4,
                  alpha=0.7, markeredgewidth=0)  # fmt: skip
        outside = place + (0.18 if place else -0.18)
        axes.plot(outside, pairs[:, place].mean(), "D", color="black", markersize=6)
    axes.tick_params(labelsize=_SMALL)
    names = [fill(regime_label(regime, language), _WIDEST) for regime in regimes]
    axes.set_xticks([0, 1], names, fontsize=_SMALL - 1)
    axes.set_xlim(-0.55, 1.55)
    axes.set_ylabel(metric_unit(rule.primary, language), fontsize=_SMALL)


def _dots(
    axes: Axes, differences: Sequence[Difference], rule: Decision, language: Language
) -> None:
    """The differences themselves, a row for each regime."""
    words = plot_words(language)
    inside = rule.smallest_difference
    axes.axvspan(-inside, inside, color="#BBBBBB", alpha=0.5, linewidth=0)
    axes.axvline(0, color="black", linewidth=1)
    means = []
    levels = 3 if len(differences) > 1 else 5  # of the dots: their labels need room
    for row, difference in enumerate(differences):
        colour = of_regimes([rule.baseline, difference.regime])[difference.regime]
        places = row + 0.1 + 0.48 / levels * (np.arange(difference.n) % levels)
        ordered = sorted(difference.by_seed.items(), key=lambda item: item[1])
        values = [value for _, value in ordered]
        axes.plot(values, places, "o", color=colour, markersize=6, alpha=0.7, markeredgewidth=0)
        if difference.n <= _NAMED_SEEDS:
            for (seed, value), place in zip(ordered, places, strict=True):
                axes.annotate(pair_text(seed), (value, place), xytext=(0, -5), fontsize=7,
                              textcoords="offset points", ha="center", va="top",
                              color=MARKED)  # fmt: skip
        if np.isfinite(difference.mean):
            error = (
                [[difference.mean - difference.low], [difference.high - difference.mean]]
                if difference.n > 1
                else None
            )
            axes.errorbar(difference.mean, row - 0.1, xerr=error, fmt="D", color="black", capsize=5,
                          markersize=6, linewidth=2)  # fmt: skip
            means.append((difference.mean, row - 0.1, with_interval(difference)))
    left, right = axes.get_xlim()
    for mean, place, shown in means:  # those near to a side grow away from it
        share = (mean - left) / (right - left)
        side = "left" if share < 0.3 else "right" if share > 0.7 else "center"
        axes.annotate(shown, (mean, place), xytext=(0, 7), textcoords="offset points",
                      fontsize=9, ha=side, va="bottom")  # fmt: skip
    better = words[{"lower": "left_better", "higher": "right_better"}[rule.direction]]
    axes.set(xlim=(left, right), ylim=(-0.5, len(differences) - 0.4))
    axes.set_xlabel(
        words["paired_x"].format(
            baseline=regime_label(rule.baseline, language),
            unit=metric_unit(rule.primary, language),
            better=better,
        ),
        fontsize=_SMALL,
    )
    names = [
        f"{regime_label(difference.regime, language)}\n(n = {difference.n})"
        for difference in differences
    ]
    if len(differences) == 1:  # the title says both
        axes.set_yticks([])
    else:
        axes.set_yticks(range(len(differences)), names)
    axes.tick_params(labelsize=_SMALL)
    axes.invert_yaxis()
