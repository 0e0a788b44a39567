from __future__ import annotations

import numpy as np
import pytest

from fashion_dropout.learning.dataset import (
    CLASSES,
    DATASETS,
    Examples,
    FashionMnist,
    Synthetic,
    open_dataset,
)
from fashion_dropout.tracking.models.registry import MODEL_OF


def numbered(per_class: int) -> Examples:
    """Examples whose first two pixels number them."""
    count = 10 * per_class
    images = np.zeros((count, 28, 28, 1), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(count), 256)
    return Examples(images, np.tile(np.arange(10, dtype=np.uint8), per_class))


def test_a_digest_depends_on_every_pixel_and_label():
    examples = numbered(2)
    images, labels = examples.images.copy(), examples.labels.copy()
    images[-1, 27, 27, 0] = 1
    labels[-1] = 3
    digests = {
        examples.sha256,
        Examples(images, examples.labels).sha256,
        Examples(examples.images, labels).sha256,
    }
    assert len(digests) == 3


def test_the_generated_images_are_the_same_everywhere():
    """Runs on them are compared by these digests."""
    dataset = Synthetic()
    assert dataset.sha256.startswith("87a0a1fa2589f966")
    assert dataset.test().sha256.startswith("8c9895a35544bd3a")
    assert np.bincount(dataset.training().labels).tolist() == [300] * 10


def test_no_other_images_can_be_taken_for_the_real_ones():
    others = [kind for kind in DATASETS.values() if kind is not FashionMnist]
    assert all(set(kind.classes).isdisjoint(CLASSES) for kind in others)
    assert len({MODEL_OF[kind.name] for kind in (FashionMnist, *others)}) == len(DATASETS) == 3
    assert MODEL_OF.keys() == DATASETS.keys()
    assert open_dataset("synthetic").sha256 != FashionMnist(None).sha256


@pytest.mark.real_data
def test_the_real_dataset_is_what_its_authors_say(data_dir):
    dataset = open_dataset("fashion-mnist", data_dir)
    training, test = dataset.training(), dataset.test()
    assert training.images.shape == (60_000, 28, 28, 1)
    assert test.images.shape == (10_000, 28, 28, 1)
    assert training.images.dtype == np.uint8
    assert np.bincount(training.labels).tolist() == [6_000] * 10
    assert np.bincount(test.labels).tolist() == [1_000] * 10
