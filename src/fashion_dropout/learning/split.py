"""The stratified split of a dataset into a training and a validation part."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from fashion_dropout import seeds
from fashion_dropout.learning.dataset import Dataset
from fashion_dropout.learning.examples import Examples


class Split(NamedTuple):
    """The labelled images in two parts."""

    training: Examples
    validation: Examples

    @property
    def sha256(self) -> str:
        """SHA-256 of the hexadecimal digests of the two parts, hexadecimal."""
        digests = f"{self.training.sha256} {self.validation.sha256}"
        return hashlib.sha256(digests.encode()).hexdigest()


def split_of(dataset: Dataset, split_seed: int) -> Split:
    """The split of a dataset's training images into a training and a validation part."""
    return stratified_split(dataset.training(), dataset.validation_size, split_seed)


def stratified_split(examples: Examples, validation_size: int, split_seed: int) -> Split:
    """Split the examples into training and validation, each class in the same proportion.

    Where a class cannot give its share exactly, shares are rounded down, and the classes with the
    largest remainders (of equal ones, the lowest label) give one example more.

    Args:
        examples: n of them.
        validation_size: How many go to validation.
        split_seed: Which ones; nothing else decides it.

    Returns:
        The two parts, each in the original order.
    """
    labels, counts = np.unique(examples.labels, return_counts=True)
    shares, remainders = np.divmod(validation_size * counts, len(examples))
    largest = np.argsort(-remainders, kind="stable")
    shares[largest[: validation_size - shares.sum()]] += 1
    chosen = np.zeros(len(examples), dtype=bool)
    for label, share in zip(labels, shares, strict=True):
        members = np.flatnonzero(examples.labels == label)
        order = seeds.permutation(split_seed, f"split/{label}", len(members))
        chosen[members[order[:share]]] = True
    return Split(
        Examples(examples.images[~chosen], examples.labels[~chosen]),
        Examples(examples.images[chosen], examples.labels[chosen]),
    )
