"""What the regimes say about the test images, class by class and image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.record import DISAGREEMENTS, Disagreements
from fashion_dropout.comparison.statistics import row_intervals
from fashion_dropout.comparison.two_level import FEWEST_PAIRS
from fashion_dropout.escapes import shortened
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    plot_words,
    seeds_of,
    spread,
    styled,
)
from fashion_dropout.texts import Count, Language, Signed, regime_label, texts

_COLUMNS = 3
_ROWS = DISAGREEMENTS // _COLUMNS

FEWEST = 30
"""Images that a bin of confidence has in each run on average, at least, to be shown."""


@styled
def reliability(
    bins: pd.DataFrame, regimes: Sequence[str], images: int, language: Language
) -> Figure:
    """How often a prediction is right, against how sure it was: at the mean confidence of each bin.

    The table has a row for each regime, seed and bin of confidence, with the columns regime, seed,
    centre, confidence (mean), accuracy and share (of so many images); NaN in an empty bin.
    """
    words = plot_words(language)
    figure = Figure(figsize=(WIDTH, 6.6))
    figure.suptitle(words["reliability"].format(n=seeds_of(bins, language)))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=MARKED, linestyle=":", label=words["as_sure_as_right"])
    colour, marker = of_regimes(regimes), markers(regimes)
    for regime in regimes:
        rows = bins[bins["regime"] == regime]
        accuracy, confidence, share = (
            rows.pivot_table(index="centre", columns="seed", values=name, dropna=False)
            for name in ("accuracy", "confidence", "share")
        )
        shares = share.mean(axis="columns")
        enough = (shares * images >= FEWEST) & accuracy.notna().all(axis="columns")
        traces = accuracy[enough].set_index(confidence[enough].mean(axis="columns"))
        name = regime_label(regime, language)
        spread(above, traces, colour=colour[regime], marker=marker[regime], label=name)
        below.step(shares.index, shares, where="mid", color=colour[regime], linewidth=1.8)
    above.set(ylabel=words["accuracy"], xlim=(0, 1), ylim=(0, 1))
    above.text(0.62, 0.1, words["overconfident"], color=MARKED, fontsize=9)
    above.legend(loc="upper left")
    below.set(xlabel=words["confidence"].format(fewest=FEWEST), ylabel=words["share"], yscale="log")
    below.yaxis.set_minor_formatter(NullFormatter())
    below.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    return figure


@styled
def f1_change(changes: pd.DataFrame, regime: str, baseline: str, language: Language) -> Figure:
    """Change of F1 of each class, over pairs, with its 95 % interval.

    The table has a row for each class, a column for each seed: F1(regime) − F1(baseline).
    """
    words = plot_words(language)
    mean, low, high = row_intervals(changes)
    order = np.argsort(mean)
    figure = Figure(figsize=(WIDTH, 1.4 + 0.42 * len(changes)))
    figure.suptitle(
        words["f1"].format(
            regime=regime_label(regime, language),
            baseline=regime_label(baseline, language),
            n=_pairs(changes.shape[1], language),
        )
    )
    axes = figure.subplots()
    colour = of_regimes([baseline, regime])[regime]
    for row, index in enumerate(order):
        values = changes.iloc[index]
        axes.plot(values, [row + 0.2] * len(values), "o", color=colour,
                  alpha=0.45, markersize=4, markeredgewidth=0)  # fmt: skip
    error = np.nan_to_num(np.vstack((mean - low, high - mean))[:, order])
    axes.errorbar(mean[order], np.arange(len(order)) - 0.1, xerr=error, fmt="D", color="black",
                  capsize=3, markersize=4)  # fmt: skip
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(order)), [_class(changes.index[index], language) for index in order])
    axes.set_xlabel(words["f1_x"])
    return figure


@styled
def confusion_change(
    shares: Mapping[str, NDArray[np.float64]],
    pairs: Sequence[int],
    classes: Sequence[str],
    language: Language,
) -> Figure:
    """The confusion matrices of two regimes side by side, and below them their difference.

    A cell of the difference is coloured if its 95 % interval over pairs leaves zero out. Of two
    pairs none is: they often change by the same number of images, which makes no interval.

    The shares of two regimes are of shape (n, k, k), for n pairs and k classes: of the true class
    (row) that was taken for each class (column).
    """
    words = plot_words(language)
    (baseline, of_baseline), (regime, of_regime) = shares.items()
    names = {name: regime_label(name, language) for name in shares}
    figure = Figure(figsize=(WIDTH, 9.2))
    figure.suptitle(words["confusion"].format(n=_pairs(len(of_baseline), language)))
    above, below = figure.subfigures(2, 1, height_ratios=(1.0, 1.5), squeeze=False).flat
    left, right = above.subplots(1, 2)
    for axes, (name, of_seeds) in zip((left, right), shares.items(), strict=True):
        matrix = of_seeds.mean(0)
        drawn = axes.imshow(100 * matrix, cmap="Greys", vmin=0, vmax=100)
        _cells(axes, matrix, lambda share: "white" if share > 0.5 else "black", 6)
        _classes(axes, classes, 6.5, language)
        axes.set_title(names[name])
    right.set_yticklabels([])
    right.set_ylabel("")
    above.colorbar(drawn, ax=[left, right], label=words["confusion_share"], shrink=0.6)
    k = len(classes)
    changes = (of_regime - of_baseline).reshape(len(of_baseline), k * k).T
    mean, low, high = row_intervals(pd.DataFrame(changes, columns=list(pairs)))
    change = mean.reshape(k, k)
    enough = len(pairs) >= FEWEST_PAIRS
    clear = ((low > 0) | (high < 0)).reshape(k, k) & enough
    coloured = np.ma.masked_array(100 * change, ~clear)
    largest = float(100 * np.abs(change).max()) or 1.0
    axes = below.subplots()
    picture = axes.imshow(coloured, cmap="PRGn", vmin=-largest, vmax=largest)
    _cells(axes, change, lambda share: "white" if abs(100 * share) > 0.6 * largest else "black",
           8, clear)  # fmt: skip
    _classes(axes, classes, 8.5, language)
    varying = int(np.any(of_regime != of_baseline, axis=0).sum())
    chance = 0.05 * varying
    if enough and np.isfinite(low).any():  # else nothing can be coloured
        axes.set_title(
            words["confusion_chance" if clear.sum() <= chance else "confusion_count"].format(
                coloured=int(clear.sum()), varying=varying, chance=round(chance)
            ),
            fontsize=9,
        )
    label = words["confusion_change"].format(regime=names[regime], baseline=names[baseline])
    below.colorbar(picture, ax=axes, label=label, shrink=0.7)
    return figure


@styled
def disagreements(
    found: Disagreements, classes: Sequence[str], seeds: int, language: Language
) -> Figure:
    """The images on which two regimes disagree most, those of the largest disagreement first, and
    whether each is right; by probabilities that are averaged over so many seeds.
    """
    words = plot_words(language)
    names = [regime_label(name, language) for name in found.probabilities]
    colours = list(of_regimes(list(found.probabilities)).values())
    figure = Figure(figsize=(WIDTH, 2.35 * _ROWS + 0.6))
    figure.suptitle(words["disagreements"].format(n=Count(seeds)))
    grid = figure.subplots(_ROWS, _COLUMNS)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, label, *both in zip(
        grid.flat, found.images, found.labels, *found.probabilities.values(), strict=False
    ):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        lines = [(words["truth"].format(name=_short(classes[label], language)), "black")]
        for colour, predicted in zip(colours, both, strict=True):
            answer = words["right" if predicted.argmax() == label else "wrong"]
            name = _short(classes[predicted.argmax()], language)
            lines.append((answer.format(name=name, share=predicted.max()), colour))
        for line, (text, colour) in enumerate(reversed(lines)):
            axes.annotate(text, (0.5, 1), xycoords="axes fraction", xytext=(0, 4 + 12 * line),
                          textcoords="offset points", ha="center", color=colour,
                          fontsize=9)  # fmt: skip
    handles = [
        Line2D([], [], color=colour, linewidth=4, label=words[place].format(regime=name))
        for place, colour, name in zip(("upper", "lower"), colours, names, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _pairs(n: int, language: Language) -> str:
    return str(plot_words(language)["n_pairs"].format(n=Count(n)))


def _class(name: str, language: Language) -> str:
    return str(texts(language)["classes"].get(name, name))


def _short(name: str, language: Language) -> str:
    """The name of a class for a third of the width; a Japanese letter fills the room of two."""
    shown = _class(name, language)
    return shortened(shown, 18 if shown.isascii() else 12)


def _cells(
    axes: Axes,
    matrix: NDArray[np.float64],
    colour: Callable[[float], str],
    size: float,
    clear: NDArray[np.bool_] | None = None,
) -> None:
    """Write each share, or each change, in %, those that are not clear in small grey figures."""
    sign, digits = ("", 0) if clear is None else ("+", 1)
    for (row, column), share in np.ndenumerate(matrix):
        text = f"{Signed(100 * share):{sign}.{digits}f}"
        shown: dict[str, Any] = {"color": colour(share), "fontsize": size}
        if clear is not None and clear[row, column]:
            text = f"{Signed(100 * share):+.1g}" if abs(share) < 0.0005 else text
        elif round(100 * share, digits) == 0:
            continue
        elif clear is not None:
            shown = {"color": MARKED, "fontsize": size - 1.5}
        axes.text(column, row, text, ha="center", va="center", in_layout=False, **shown)


def _classes(axes: Axes, classes: Sequence[str], size: float, language: Language) -> None:
    names, words = [_class(name, language) for name in classes], plot_words(language)
    axes.grid(False)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set(xlabel=words["predicted"], ylabel=words["true"])
