from __future__ import annotations

import hashlib

import numpy as np
import pytest

from fashion_dropout.learning.dataset import Examples, Synthetic, open_dataset
from fashion_dropout.learning.split import split_of, stratified_split


def numbered(per_class: int) -> Examples:
    """Examples whose first two pixels number them."""
    count = 10 * per_class
    images = np.zeros((count, 28, 28, 1), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(count), 256)
    return Examples(images, np.tile(np.arange(10, dtype=np.uint8), per_class))


def numbers(examples: Examples) -> set[int]:
    return set(examples.images[:, 0, 0, 0].astype(int) * 256 + examples.images[:, 0, 1, 0])


def test_a_split_parts_every_class_alike_and_loses_nothing():
    training, validation = stratified_split(numbered(60), 50, split_seed=0)
    assert np.bincount(validation.labels).tolist() == [5] * 10
    assert np.bincount(training.labels).tolist() == [55] * 10
    assert numbers(training).isdisjoint(numbers(validation))
    assert numbers(training) | numbers(validation) == set(range(600))


def test_a_split_is_decided_by_its_seed_alone():
    examples = numbered(60)
    one, same, other = (stratified_split(examples, 50, seed)[1].sha256 for seed in (4, 4, 5))
    assert one == same != other


def test_classes_that_cannot_give_their_share_exactly_give_one_more_or_less():
    """Of 12 examples of label 0 and 6 of each other, 7 in 66 are 1.27 and 0.64 of a class."""
    more = numbered(6)
    twice = np.concatenate([np.arange(60), np.flatnonzero(more.labels == 0)])
    uneven = Examples(more.images[twice], more.labels[twice])
    _, validation = stratified_split(uneven, 7, split_seed=0)
    assert np.bincount(validation.labels, minlength=10).tolist() == [1] * 7 + [0] * 3


def test_the_digest_of_a_split_is_that_of_its_two_parts():
    split = split_of(Synthetic(), 0)
    assert (len(split.training), len(split.validation)) == (2_500, 500)
    digests = f"{split.training.sha256} {split.validation.sha256}"
    assert split.sha256 == hashlib.sha256(digests.encode()).hexdigest()


@pytest.mark.real_data
def test_the_real_split_keeps_the_classes_balanced(data_dir):
    split = split_of(open_dataset("fashion-mnist", data_dir), 0)
    assert np.bincount(split.training.labels).tolist() == [5_500] * 10
    assert np.bincount(split.validation.labels).tolist() == [500] * 10
