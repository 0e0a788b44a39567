"""Load a stored classifier, predict with it, predict under dropout masks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_dropout.errors import DataError, UsageError
from fashion_dropout.files import open_file
from fashion_dropout.learning.dataset import CLASSES
from fashion_dropout.learning.dropout import dropout_layers, set_masks, share_masks
from fashion_dropout.learning.model import IMAGE_SHAPE

Probabilities = NDArray[np.float32]

_TAKES = [((None, *IMAGE_SHAPE), "uint8")]
_GIVES = [(None, len(CLASSES))]
BATCH_SIZE = 250
"""Images that are predicted together in training, `predict` and promotion.

A served model uses the same number. On some CPUs the last digits of a probability depend on the
batch size, because other sizes choose other kernels: by up to 1.2e-7 on one without AVX-512. So
fewer images are filled up with black ones, and an image gives the same bits wherever it stands.
"""

LARGEST_MODEL = 2**28
"""The most bytes that a model may unpack to; one of ours has 3 MB."""

_MASKED_BATCH_SIZE = 48  # one picture under many masks must not take as long as 250 pictures
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
    _expect_keras_file(path)
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


def _expect_keras_file(path: Path) -> None:
    """Refuse what Keras would take for one of its older formats, and what unpacks to too much."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as packed:
            size = sum(part.file_size for part in packed.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: expected a Keras model, received: {reason}") from error
    if path.suffix != ".keras":
        raise DataError(f"{path}: expected a Keras model, a file that ends in .keras")
    if size > LARGEST_MODEL:
        raise DataError(
            f"{path}: expected a Keras model that unpacks to at most {LARGEST_MODEL:,} bytes, "
            f"received {size:,}"
        )


def predict(classifier: keras.Model, images: NDArray[np.uint8]) -> Probabilities:
    """The probabilities of the classes, with dropout off, in batches of `BATCH_SIZE`.

    Args:
        classifier: A model from uint8 (n, 28, 28, 1) to float32 (n, 10).
        images: uint8 of shape (n, 28, 28, 1), n ≥ 1.

    Returns:
        float32 of shape (n, 10).
    """
    return predictor(classifier)(images)


def predictor(classifier: keras.Model) -> Callable[[NDArray[np.uint8]], Probabilities]:
    """`predict` of one classifier, compiled once; it predicts with the weights of the moment."""
    forward = _forward(classifier, training=False)

    def predict(images: NDArray[np.uint8]) -> Probabilities:
        found = np.concatenate([forward(batch).numpy() for batch in _batches(images, BATCH_SIZE)])
        return found[: len(images)]

    return predict


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
    for batch in _batches(images, _MASKED_BATCH_SIZE):
        drawn = []
        for mask in range(masks):
            set_masks(dropouts, _MASK_SEED, f"mc-dropout/{{layer}}/{mask}")
            drawn.append(forward(batch).numpy())
        means.append(np.mean(drawn, axis=0, dtype=np.float64))
        spreads.append(np.std(drawn, axis=0, ddof=1, dtype=np.float64))
    mean, spread = (np.concatenate(parts)[: len(images)] for parts in (means, spreads))
    return mean.astype(np.float32), spread.astype(np.float32)


def _batches(images: NDArray[np.uint8], size: int) -> Iterator[tf.Tensor]:
    """Batches of exactly so many images; the last one is filled up with black ones."""
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        yield tf.constant(np.pad(batch, ((0, size - len(batch)), *[(0, 0)] * 3)))


def _forward(classifier: keras.Model, training: bool) -> Any:
    signature = [tf.TensorSpec([None, *IMAGE_SHAPE], tf.uint8)]
    return tf.function(
        lambda images: classifier(images, training=training),
        input_signature=signature,
        autograph=False,
    ).get_concrete_function()
