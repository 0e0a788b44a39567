"""What is done to the training images inside the compiled epoch, one function for each kind.

To add one: a function here that changes a batch, an entry in `AUGMENTATIONS`, and its amounts in
`config.augmentation`. See docs/adapt.md.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from fashion_dropout import seeds
from fashion_dropout.config.augmentation import AMOUNTS, amounts

SIDE = 28


class Batch(NamedTuple):
    """A batch as it is being changed.

    Attributes:
        images: float32 of shape (n, 28, 28, 1), grey values from 0 to 255.
        targets: float32 of shape (n, 10), the probability of each class.
    """

    images: tf.Tensor
    targets: tf.Tensor


class Augmentation(NamedTuple):
    """One kind of change.

    Attributes:
        draw: From how many images, a seed (int32 of shape (2,)) and the amount to what is drawn
            for each of them, float32 of shape (n, …).
        apply: From a batch, what was drawn for its images, and the amount to the changed batch.
    """

    draw: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]
    apply: Callable[[Batch, tf.Tensor, float], Batch]


def epoch_seeds(augment: str, seed: int, epoch: int) -> np.ndarray:
    """The seeds of an epoch's draws, int32 of shape (k, 2), for the k augmentations of a run."""
    derived = [[seeds.derive(seed, f"augment/{name}/{epoch}"), 0] for name in amounts(augment)]
    return np.array(derived, dtype=np.int32).reshape(-1, 2)


def draws_sha256(seed: int) -> str:
    """SHA-256 of the seeds of the first epoch's draws, of all augmentations, used or not."""
    return hashlib.sha256(epoch_seeds("+".join(AMOUNTS), seed, 1).tobytes()).hexdigest()


def drawn(augment: str, count: tf.Tensor, of_epoch: tf.Tensor) -> list[tf.Tensor]:
    """What every image of an epoch has drawn, in the order in which the epoch visits the images.

    So a draw depends on the seed, the epoch and the place in the epoch, on no batch size and on no
    other augmentation: both runs of a pair draw the same wherever both use an augmentation.

    Args:
        augment: What is done to the images.
        count: How many images the epoch has.
        of_epoch: As `epoch_seeds` gives it.
    """
    return [
        AUGMENTATIONS[name].draw(count, of_epoch[index], amount)
        for index, (name, amount) in enumerate(amounts(augment).items())
    ]


def changed(augment: str, batch: Batch, draws: Sequence[tf.Tensor]) -> Batch:
    """A batch after all augmentations of a run.

    Args:
        augment: What is done to the images.
        batch: The batch as the dataset has it.
        draws: For each augmentation, what the images of the batch have drawn.
    """
    for (name, amount), draw in zip(amounts(augment).items(), draws, strict=True):
        batch = AUGMENTATIONS[name].apply(batch, draw, amount)
    return batch


def _uniform(*shape: int) -> Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]:
    """Draws uniform in [0, 1), of this shape for each image."""
    return lambda count, seed, _: tf.random.stateless_uniform([count, *shape], seed)


def _flip(batch: Batch, drawn: tf.Tensor, probability: float) -> Batch:
    """Left and right change places."""
    mirrored = drawn[:, None, None, None] < probability
    images = tf.where(mirrored, tf.reverse(batch.images, [2]), batch.images)
    return batch._replace(images=images)


def _shift(batch: Batch, drawn: tf.Tensor, pixels: float) -> Batch:
    """Whole pixels, −`pixels` … `pixels` on each axis, each as likely; background comes in."""
    move = tf.floor(drawn * (2 * pixels + 1)) - pixels
    one, zero = tf.ones_like(move[:, 0]), tf.zeros_like(move[:, 0])
    matrix = [one, zero, move[:, 0], zero, one, move[:, 1]]
    return _projected(batch, matrix, "NEAREST")


def _rotate(batch: Batch, drawn: tf.Tensor, degrees: float) -> Batch:
    """About the middle of the image, −`degrees` … `degrees`, bilinear; background comes in."""
    angle = (2 * drawn - 1) * (degrees * math.pi / 180)
    cos, sin, middle = tf.cos(angle), tf.sin(angle), (SIDE - 1) / 2
    across, down = middle * (1 - cos + sin), middle * (1 - cos - sin)
    return _projected(batch, [cos, -sin, across, sin, cos, down], "BILINEAR")


def _erase(batch: Batch, drawn: tf.Tensor, side: float) -> Batch:
    """A square becomes background; its place is uniform, and part of it may lie outside (cutout,
    DeVries and Taylor 2017).
    """
    begin = tf.floor(drawn * SIDE) - side // 2
    place = tf.range(SIDE, dtype=tf.float32)
    inside = (place >= begin[..., None]) & (place < begin[..., None] + side)  # (n, 2, 28)
    erased = inside[:, 0, :, None, None] & inside[:, 1, None, :, None]
    return batch._replace(images=tf.where(erased, 0.0, batch.images))


def _beta(count: tf.Tensor, seed: tf.Tensor, both: float) -> tf.Tensor:
    gamma = tf.random.stateless_gamma([count, 2], seed, both)
    return gamma[:, 0] / tf.maximum(tf.reduce_sum(gamma, axis=1), 1e-30)


def _mixup(batch: Batch, drawn: tf.Tensor, _: float) -> Batch:
    """Each image and its target are mixed with those before it in the batch (Zhang et al. 2018)."""
    share = drawn[:, None]
    mixed = share * batch.targets + (1 - share) * tf.roll(batch.targets, 1, axis=0)
    share = share[..., None, None]
    return Batch(share * batch.images + (1 - share) * tf.roll(batch.images, 1, axis=0), mixed)


def _projected(batch: Batch, rows: Sequence[tf.Tensor], interpolation: str) -> Batch:
    """Images read at other places: the first two rows of a matrix for each image."""
    zero = tf.zeros_like(rows[0])
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=batch.images,
        transforms=tf.stack([*rows, zero, zero], axis=1),
        output_shape=[SIDE, SIDE],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
    return batch._replace(images=images)


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "flip": Augmentation(_uniform(), _flip),
    "shift": Augmentation(_uniform(2), _shift),
    "rotate": Augmentation(_uniform(), _rotate),
    "erase": Augmentation(_uniform(2), _erase),
    "mixup": Augmentation(_beta, _mixup),
}
"""Name → what it does; the names and their order are those of `config.augmentation.AMOUNTS`."""
