"""The dropout layers of a network, and the masks that they draw.

Keras keeps the state of a layer's random numbers to itself. This is the one module that sets it, so
that every mask is a pure function of a seed and a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import keras
import numpy as np

from fashion_dropout import seeds


def of_epoch(epoch: int) -> str:
    """The name of the draw of an epoch's masks, for `set_masks`; the first epoch is 1."""
    return f"dropout/{{layer}}/{epoch}"


def dropout_layers(classifier: keras.Model) -> list[keras.layers.Dropout]:
    """All layers that drop something out: those with a rate above 0, of nested models too."""
    return [
        layer
        for layer in classifier._flatten_layers()
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    ]


def set_masks(layers: Sequence[keras.layers.Dropout], seed: int, name: str) -> None:
    """Decide which masks dropout layers draw from now on.

    Args:
        layers: As `dropout_layers` gives them.
        seed: The seed from which the masks derive.
        name: The name of the draw, for `seeds.derive`; ``{layer}`` in it is the layer's name.
    """
    for layer in layers:
        _set(layer.seed_generator, seed, name.format(layer=layer.name))


def _set(generator: keras.random.SeedGenerator, seed: int, name: str) -> None:
    generator.state.assign(np.array([seeds.derive(seed, name), 0], dtype=np.uint32))


def masks_sha256(classifier: keras.Model, seed: int, name: str) -> str:
    """A digest of what the masks of the first image follow from, whatever the rates: SHA-256.

    A mask keeps what has drawn a number of at least the rate. These numbers, float32 in [0, 1), are
    drawn here as the layers draw them; a layer without dropout has the ones that it would draw.

    Args:
        classifier: All its dropout layers count.
        seed: As for `set_masks`.
        name: As for `set_masks`.
    """
    digest = hashlib.sha256()
    generator = keras.random.SeedGenerator(0)
    for layer in classifier._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            _set(generator, seed, name.format(layer=layer.name))
            drawn = keras.random.uniform((1, *layer.output.shape[1:]), seed=generator)
            digest.update(np.asarray(drawn).data)
    return digest.hexdigest()


def share_masks(layers: Sequence[keras.layers.Dropout]) -> None:
    """Let dropout layers draw one mask for a whole batch instead of one for each image."""
    for layer in layers:
        layer.noise_shape = (1, *layer.output.shape[1:])
