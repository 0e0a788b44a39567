"""Load a stored classifier, predict with it, predict under dropout masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_dropout.errors import DataError, UsageError
from fashion_dropout.learning.dataset import CLASSES
from fashion_dropout.learning.dropout import dropout_layers, set_masks, share_masks
from fashion_dropout.learning.model import IMAGE_SHAPE

Probabilities = NDArray[np.float32]

_TAKES = [((None, *IMAGE_SHAPE), "uint8")]
_GIVES = [(None, len(CLASSES))]
BATCH_SIZE = 250
"""Images that are predicted together in training, `predict` and promotion.

A served model uses the same number. On some CPUs the last digits of a probability depend on the
batch size, because other sizes choose other kernels: by up to 1.2e-7 on one without AVX-512. With
this batch size the same images in the same order give the same bits.
"""

_MASK_SEED = 0


def load_classifier(path: Path) -> keras.Model:
    """The classifier in a ``.keras`` file, which may hold no code.

    Args:
        path: A file as `keras.Model.save` writes it.

    Returns:
        A model from uint8 (n, 28, 28, 1) to float32 (n, 10).

    Raises:
        DataError: The file is missing or damaged, or asks for code that Keras does not know.
        UsageError: The model in it takes or gives something else.
    """
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras lets through whatever it runs into in a damaged file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: expected a Keras model, received one that cannot be loaded: {reason}"
        ) from error
    takes = [(tuple(tensor.shape), tensor.dtype) for tensor in getattr(model, "inputs", None) or ()]
    gives = [tuple(tensor.shape) for tensor in getattr(model, "outputs", None) or ()]
    if takes != _TAKES or gives != _GIVES:
        raise UsageError(
            f"{path}: expected a model from {_TAKES} to {_GIVES}, received one from {takes} to "
            f"{gives}; give a model that `fashion-dropout train` has stored"
        )
    return model


def predict(classifier: keras.Model, images: NDArray[np.uint8]) -> Probabilities:
    """The probabilities of the classes, with dropout off, in batches of `BATCH_SIZE`.

    Args:
        classifier: A model from uint8 (n, 28, 28, 1) to float32 (n, 10).
        images: uint8 of shape (n, 28, 28, 1), n ≥ 1.

    Returns:
        float32 of shape (n, 10).
    """
    forward = _forward(classifier, training=False)
    return np.concatenate([forward(batch).numpy() for batch in _batches(images)])


def predict_with_dropout(
    classifier: keras.Model, images: NDArray[np.uint8], masks: int
) -> tuple[Probabilities, Probabilities]:
    """Monte-Carlo dropout (Gal and Ghahramani 2016, arXiv 1506.02142): the probabilities of the
    classes over networks that dropout has thinned out.

    Mask number i is the same in every call and for every image, so that what an image is given
    depends neither on the images beside it nor on their order.

    Args:
        classifier: As `load_classifier` gives it; from then on it cannot be trained, and its
            dropout layers draw one mask for a whole batch.
        images: uint8 of shape (n, 28, 28, 1), n ≥ 1.
        masks: How many, at least 2.

    Returns:
        Mean and standard deviation (divided by masks − 1) over the masks, each float32 of shape
        (n, 10).

    Raises:
        UsageError: The model has no dropout layer with a rate above 0.
    """
    dropouts = dropout_layers(classifier)
    if not dropouts:
        raise UsageError(
            "expected a model with a dropout rate above 0 for --mc-dropout, received one of rate "
            "0: without masks every spread would be 0; leave --mc-dropout away or give another "
            "--model"
        )
    classifier.trainable = False  # or batch normalisation would go by the batch
    share_masks(dropouts)
    forward = _forward(classifier, training=True)
    means, spreads = [], []
    for batch in _batches(images):
        drawn = []
        for mask in range(masks):
            set_masks(dropouts, _MASK_SEED, f"mc-dropout/{{layer}}/{mask}")
            drawn.append(forward(batch).numpy())
        means.append(np.mean(drawn, axis=0, dtype=np.float64))
        spreads.append(np.std(drawn, axis=0, ddof=1, dtype=np.float64))
    return np.concatenate(means).astype(np.float32), np.concatenate(spreads).astype(np.float32)


def _batches(images: NDArray[np.uint8]) -> Iterator[tf.Tensor]:
    return (
        tf.constant(images[start : start + BATCH_SIZE])
        for start in range(0, len(images), BATCH_SIZE)
    )


def _forward(classifier: keras.Model, training: bool) -> Any:
    signature = [tf.TensorSpec([None, *IMAGE_SHAPE], tf.uint8)]
    return tf.function(
        lambda images: classifier(images, training=training),
        input_signature=signature,
        autograph=False,
    ).get_concrete_function()
