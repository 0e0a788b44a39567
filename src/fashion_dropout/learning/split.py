"""The stratified split of a dataset into a training and a validation part."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from fashion_dropout import seeds
from fashion_dropout.errors import DataError
from fashion_dropout.learning.dataset import Dataset, Examples


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

    Args:
        examples: n of them.
        validation_size: How many go to validation. Every class must be able to give its share of
            them exactly.
        split_seed: Which ones; nothing else decides it.

    Returns:
        The two parts, each in the original order.

    Raises:
        DataError: The classes cannot be split in that proportion.
    """
    chosen = np.zeros(len(examples), dtype=bool)
    for label in np.unique(examples.labels):
        members = np.flatnonzero(examples.labels == label)
        share, remainder = divmod(validation_size * len(members), len(examples))
        if remainder:
            raise DataError(
                f"expected class {label} to be divisible for a validation part of "
                f"{validation_size} in {len(examples)}, received {len(members)} examples of it"
            )
        order = seeds.permutation(split_seed, f"split/{label}", len(members))
        chosen[members[order[:share]]] = True
    return Split(
        Examples(examples.images[~chosen], examples.labels[~chosen]),
        Examples(examples.images[chosen], examples.labels[chosen]),
    )
