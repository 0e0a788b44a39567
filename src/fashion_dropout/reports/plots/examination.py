"""Models under corrupted images, and images whose label is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fashion_dropout.colours import of_regimes
from fashion_dropout.reports.plots.style import (
    MARKED,
    WIDTH,
    markers,
    plot_words,
    seeds_of,
    spread,
    styled,
)
from fashion_dropout.texts import Language, regime_label

_CLEAN = 0
_COLUMNS = 6


@styled
def under_corruption(table: pd.DataFrame, regimes: Sequence[str], language: Language) -> Figure:
    """Accuracy over the severity, a panel for each corruption.

    The table has a row for each run, corruption and severity, with the columns regime, seed,
    corruption, severity and accuracy. Severity 0 is the images as they are.
    """
    words = plot_words(language)
    clean = table[table["severity"] == _CLEAN]
    kinds = list(dict.fromkeys(table.loc[table["severity"] > _CLEAN, "corruption"]))
    rows = -(-len(kinds) // 2)
    figure = Figure(figsize=(WIDTH, 1.2 + 2.1 * rows))
    figure.suptitle(words["stress"].format(n=seeds_of(table, language)))
    grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    colour, marker = of_regimes(regimes), markers(regimes)
    for axes, kind in zip(grid.flat, kinds, strict=False):
        shown = pd.concat([clean, table[table["corruption"] == kind]])
        for regime in regimes:
            traces = shown[shown["regime"] == regime].pivot_table(
                index="severity", columns="seed", values="accuracy"
            )
            spread(axes, traces, colour=colour[regime], marker=marker[regime],
                   label=regime_label(regime, language))  # fmt: skip
        axes.set_title(words["corruptions"][kind])
    for axes in grid[-1]:
        axes.set_xlabel(words["severity"])
        axes.set_xticks(sorted(table["severity"].unique()))
    for axes in grid[:, 0]:
        axes.set_ylabel(words["accuracy"].replace(" (", "\n("))
    grid[0, 0].legend()
    return figure


@styled
def contact_sheet(
    images: NDArray[np.uint8], captions: Sequence[str], title: str, language: Language
) -> Figure:
    """A contact sheet of images, uint8 of shape (n, height, width), with a caption of at most three
    lines for each; a line that is too long for its column is wrapped.
    """
    rows = max(1, -(-len(images) // _COLUMNS))
    figure = Figure(figsize=(1.6 * _COLUMNS, 0.7 + 2.2 * rows))
    figure.suptitle(title)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        wrapped = [fill(line, 23 if line.isascii() else 13) for line in caption.splitlines()]
        axes.set_title("\n".join(wrapped), fontsize=8)
    if not len(images):
        grid[0, 0].text(0, 0.5, plot_words(language)["no_doubt"], color=MARKED)
    return figure
