"""What one run learned, and what it gets wrong.

Margins are fixed: every run of a study draws these, and a layout that is solved takes as long as
the drawing itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Okabe & Ito's palette: distinct to colour-blind readers; the line styles carry the same
# distinction into grey print.
TRAINING = {"color": "#0072B2", "linestyle": "-", "marker": "o", "label": "training"}
VALIDATION = {"color": "#D55E00", "linestyle": "--", "marker": "s", "label": "validation"}
_MARKED = "#595959"


def learning_curves(history: pd.DataFrame, best_epoch: int, title: str) -> Figure:
    """Loss and accuracy of one run over its epochs.

    Args:
        history: A row an epoch, with the columns epoch, train/loss, val/loss, train/accuracy and
            val/accuracy.
        best_epoch: Marked with a line.
        title: What the run is.
    """
    figure = Figure(figsize=(10, 4.2))
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.12, top=0.84, wspace=0.22)
    figure.suptitle(title)
    for axes, quantity, unit in zip(
        figure.subplots(1, 2), ("loss", "accuracy"), ("nats", "share correct"), strict=True
    ):
        for part, style in (("train", TRAINING), ("val", VALIDATION)):
            axes.plot(history["epoch"], history[f"{part}/{quantity}"], markersize=4, **style)
        axes.axvline(best_epoch, color=_MARKED, linestyle=":")
        axes.annotate(
            f" best epoch: {best_epoch}",
            (best_epoch, 1),
            xycoords=("data", "axes fraction"),
            ha="left" if best_epoch <= history["epoch"].median() else "right",
            va="bottom",
            color=_MARKED,
            fontsize="small",
        )
        axes.set(xlabel="epoch", ylabel=f"{quantity} ({unit}, dropout off)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion_matrix(confusion: NDArray[np.int64], classes: tuple[str, ...], title: str) -> Figure:
    """How often each class was taken for each other one.

    Args:
        confusion: Integers of shape (k, k), rows the truth, columns the prediction.
        classes: k names.
        title: What was predicted by whom.
    """
    figure = Figure(figsize=(8, 7))
    axes = figure.add_axes((0.15, 0.16, 0.71, 0.78))
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=8)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=45, ha="right")
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    bar = figure.add_axes((0.885, 0.24, 0.025, 0.62))
    figure.colorbar(picture, cax=bar, label="share of the true class")
    return figure


def misclassified(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    classes: tuple[str, ...],
    title: str,
) -> Figure:
    """The mistakes in which the classifier trusted most, most confident first.

    Args:
        images: uint8 of shape (n, 28, 28, 1).
        labels: The truth, of shape (n,).
        probabilities: float32 of shape (n, k).
        classes: k names.
        title: What was predicted by whom.
    """
    rows, columns = 4, 6
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][: rows * columns]
    figure = Figure(figsize=(1.8 * columns, 2.3 * rows + 0.8))
    figure.suptitle(
        f"{title}\n{len(wrong):,} of {len(labels):,} wrong; the most confident mistakes"
    )
    # One picture of all images: an axes for each would take ten times as long.
    height, width = images.shape[1:3]
    cell = np.array([height * 1.35, width * 1.12])
    axes = figure.add_axes((0.01, 0.01, 0.98, 1 - 0.8 / figure.get_figheight()))
    axes.set(xlim=(0, columns * cell[1]), ylim=(rows * cell[0], 0), aspect="equal")
    axes.axis("off")
    mosaic = np.full((np.array([rows, columns]) * cell).astype(int), 255, dtype=np.uint8)
    for place, index in enumerate(shown):
        top, left = (np.array(divmod(place, columns)) * cell).astype(int)
        top += int(cell[0]) - height
        mosaic[top : top + height, left : left + width] = images[index, ..., 0]
        truth, taken_for = classes[labels[index]], classes[predicted[index]]
        axes.text(
            left + width / 2,
            top - 1,
            f"true: {truth}\nsaid: {taken_for}, {confidence[index]:.2%}",
            fontsize=8,
            ha="center",
            va="bottom",
        )
    axes.imshow(
        mosaic, cmap="gray", vmin=0, vmax=255, extent=(0, columns * cell[1], rows * cell[0], 0)
    )
    return figure
