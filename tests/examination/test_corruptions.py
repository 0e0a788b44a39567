"""Test images made worse on purpose, and near-twins, in NumPy."""

import numpy as np
import pytest

from fashion_dropout.examination.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from fashion_dropout.examination.twins import nearest
from fashion_dropout.learning.dataset import Synthetic

IMAGES = Synthetic().test().images[:200]


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_severity_is_farther_from_the_image_and_the_same_every_time(kind):
    farther = 0.0
    for severity in SEVERITIES:
        found = corrupted(IMAGES, kind, severity)
        assert (found.shape, found.dtype) == (IMAGES.shape, np.uint8)
        np.testing.assert_array_equal(found, corrupted(IMAGES, kind, severity))
        distance = np.abs(found.astype(float) - IMAGES).mean()
        assert distance > farther
        farther = distance
    some = corrupted(IMAGES[:1], kind, 3)  # fewer images: other draws, as they are by place
    assert some.shape == (1, 28, 28, 1)


def test_what_each_corruption_does():
    bright = np.full((400, 28, 28, 1), 128, dtype=np.uint8)
    noise = corrupted(bright, "noise", 2).astype(float) - 128
    assert abs(noise.mean()) < 0.5
    assert abs(noise.std() - 20) < 0.5
    moved = corrupted(bright, "shift", 3)
    gone = [(moved[:, 14, :, 0] == 0).sum(1), (moved[:, :, 14, 0] == 0).sum(1)]
    assert set((gone[0] + gone[1]).tolist()) == {3}
    sides = [moved[:, 14, 0, 0], moved[:, 14, -1, 0], moved[:, 0, 14, 0], moved[:, -1, 14, 0]]
    assert all(60 < (side == 0).sum() < 140 for side in sides)
    covered = corrupted(bright, "occlusion", 3)
    assert ((covered == 0).sum(axis=(1, 2, 3)) == 64).all()
    half = np.zeros((1, 28, 28, 1), dtype=np.uint8)
    half[:, :, 14:] = 200
    assert set(np.unique(corrupted(half, "contrast", 2))) == {50, 150}
    assert set(np.unique(half)) == {0, 200}  # the images themselves are left as they are


def test_a_rotation_turns_to_both_sides_about_the_middle():
    bar = np.zeros((100, 28, 28, 1), dtype=np.uint8)
    bar[:, 13:15] = 255
    turned = corrupted(bar, "rotation", 5)[..., 0].astype(float)
    rising = turned[:, 18:24, 4:10].sum(axis=(1, 2)) > turned[:, 4:10, 4:10].sum(axis=(1, 2))
    assert 30 < rising.sum() < 70
    np.testing.assert_allclose(turned, turned[:, ::-1, ::-1], atol=1)


def test_the_nearest_image_is_found_with_its_distance():
    twins = IMAGES[[7, 3]].copy()
    twins[0, 0, 0, 0] = (int(twins[0, 0, 0, 0]) + 128) % 256
    places, distances = nearest(twins, IMAGES)
    assert places.tolist() == [7, 3]
    np.testing.assert_allclose(distances, [128 / 255 / 28, 0])
    far = np.full((1, 28, 28, 1), 255, dtype=np.uint8)
    place, distance = nearest(far, IMAGES)
    every = np.sqrt((((IMAGES.astype(float) - 255) / 255) ** 2).mean(axis=(1, 2, 3)))
    assert (place[0], distance[0]) == (every.argmin(), pytest.approx(every.min()))
