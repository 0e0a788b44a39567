"""Images that are nearly the same: test images with a twin among the training images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.learning.dataset import Dataset
from fashion_dropout.learning.examples import Examples

NEAR, NEARER = 0.05, 0.02
"""Root mean square of the difference of two images, grey values from 0 to 1: near-twins."""

_AT_ONCE = 500  # so many distances for each training image: 120 MB


def nearest(
    images: NDArray[np.uint8], among: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest image of another set.

    Args:
        images: uint8 of shape (n, 28, 28, 1).
        among: uint8 of shape (m, 28, 28, 1), m ≥ 1.

    Returns:
        For each image the place of its nearest one in `among`, of shape (n,), and the root mean
        square of the difference of their pixels, grey values scaled to [0, 1].
    """
    pixels = among[0].size
    others = among.reshape(len(among), pixels).astype(np.float32)
    squares = np.einsum("ij,ij->i", others, others)
    places = np.empty(len(images), dtype=np.int64)
    for begin in range(0, len(images), _AT_ONCE):
        part = images[begin : begin + _AT_ONCE].reshape(-1, pixels).astype(np.float32)
        # |a − b|² = |a|² − 2 a·b + |b|²; |a|² is the same for all b.
        places[begin : begin + _AT_ONCE] = (squares - 2 * (part @ others.T)).argmin(axis=1)
    difference = (images.astype(np.float64) - among[places]).reshape(len(images), -1) / 255
    return places, np.sqrt((difference**2).mean(axis=1))


def near_twins(dataset: Dataset, test: Examples) -> pd.DataFrame:
    """A row for each test image with a near-twin, the nearest first, with the columns place, label,
    twin (its place among the labelled images), twin_label and distance.
    """
    labelled = dataset.training()
    twin, distance = nearest(test.images, labelled.images)
    names = np.array(dataset.classes, dtype=object)
    (near,) = np.nonzero(distance < NEAR)
    table = pd.DataFrame(
        {
            "place": near,
            "label": names[test.labels[near]],
            "twin": twin[near],
            "twin_label": names[labelled.labels[twin[near]]],
            "distance": distance[near],
        }
    )
    return table.sort_values("distance", kind="stable", ignore_index=True)
