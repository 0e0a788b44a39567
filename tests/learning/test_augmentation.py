"""What is done to training images, against NumPy; and that every draw is pure."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_dropout.config.augmentation import AMOUNTS, amounts

pytestmark = pytest.mark.usefixtures("tensorflow")

COUNT = 400
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(1, 256, (COUNT, 28, 28, 1)).astype(np.float32)
TARGETS = np.eye(10, dtype=np.float32)[RANDOM.integers(0, 10, COUNT)]


def drawn(augment: str, *, seed=1, epoch=1, count=COUNT) -> np.ndarray:
    from fashion_dropout.learning import augmentation

    of_epoch = augmentation.epoch_seeds(augment, seed, epoch)
    return [draws.numpy() for draws in augmentation.drawn(augment, count, of_epoch)]


def changed(augment: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, targets and draws of one augmentation."""
    from fashion_dropout.learning import augmentation

    (draws,) = drawn(augment)
    batch = augmentation.Batch(IMAGES, TARGETS)
    images, targets = augmentation.changed(augment, batch, [draws])
    return np.asarray(images), np.asarray(targets), draws


def test_there_is_one_function_for_each_name():
    from fashion_dropout.learning.augmentation import AUGMENTATIONS

    assert list(AUGMENTATIONS) == list(AMOUNTS)


def test_every_draw_is_pure_in_seed_and_epoch_and_of_each_image():
    everything = "+".join(AMOUNTS)
    for name, draws in zip(AMOUNTS, drawn(everything), strict=True):
        (alone,) = drawn(name)  # in another regime, which has nothing else
        np.testing.assert_array_equal(draws, alone)
        assert len(np.unique(draws.reshape(COUNT, -1), axis=0)) > COUNT / 2, name
        for other in ({"seed": 2}, {"epoch": 2}):
            assert not np.array_equal(draws, drawn(name, **other)[0])


def test_a_flip_mirrors_as_many_images_as_asked_and_leaves_the_others():
    images, targets, draws = changed("flip:0.3")
    mirrored = draws < 0.3
    np.testing.assert_array_equal(images[mirrored], IMAGES[mirrored][:, :, ::-1])
    np.testing.assert_array_equal(images[~mirrored], IMAGES[~mirrored])
    assert 0.2 < mirrored.mean() < 0.4
    np.testing.assert_array_equal(targets, TARGETS)


def test_a_shift_moves_whole_pixels_in_both_directions_and_brings_background_in():
    images, targets, _ = changed("shift:3")
    padded = np.pad(IMAGES[..., 0], ((0, 0), (3, 3), (3, 3)))
    moves = []
    for index, image in enumerate(images[..., 0]):
        (move,) = [
            (down, across)
            for down in range(7)
            for across in range(7)
            if np.array_equal(image, padded[index, down : down + 28, across : across + 28])
        ]
        moves.append(move)
    for axis in zip(*moves, strict=True):
        assert set(axis) == set(range(7))
        assert max(np.bincount(axis)) < 2 * COUNT / 7  # each about as likely
    np.testing.assert_array_equal(targets, TARGETS)


def test_a_rotation_turns_about_the_middle_as_scipy_does():
    from scipy import ndimage

    images, _, draws = changed("rotate:40")
    for index in range(10):
        degrees = (2 * draws[index] - 1) * 40
        expected = ndimage.rotate(
            IMAGES[index, ..., 0], degrees, reshape=False, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(images[index, ..., 0], expected, atol=0.05)


def test_an_erased_square_is_background_and_all_else_is_as_before():
    images, _, _ = changed("erase:9")
    erased = images[..., 0] == 0
    np.testing.assert_array_equal(images[..., 0][~erased], IMAGES[..., 0][~erased])
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    np.testing.assert_array_equal(erased, rows[:, :, None] & columns[:, None, :])
    for side in (rows.sum(axis=1), columns.sum(axis=1)):
        assert side.max() == 9
        assert side.min() >= 4  # the middle lies within the image
    assert (rows[:, 0].any(), rows[:, 27].any()) == (True, True)


def test_mixup_mixes_images_and_targets_alike_with_the_image_before():
    images, targets, share = changed("mixup:0.5")
    by = share[:, None, None, None]
    np.testing.assert_allclose(images, by * IMAGES + (1 - by) * np.roll(IMAGES, 1, 0), rtol=1e-5)
    by = share[:, None]
    np.testing.assert_allclose(targets, by * TARGETS + (1 - by) * np.roll(TARGETS, 1, 0), rtol=1e-5)
    assert abs(share.mean() - 0.5) < 0.06
    assert abs(share.var() - 0.125) < 0.02  # of the beta distribution: 1 / (4 · (2 · 0.5 + 1))


def test_all_of_them_are_applied_in_the_order_of_the_table():
    assert list(amounts("mixup+erase:3+flip")) == ["flip", "erase", "mixup"]
