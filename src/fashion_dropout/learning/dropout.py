"""The dropout layers of a network, and the masks that they draw.

Keras keeps the state of a layer's random numbers to itself. This is the one module that sets it, so
that every mask is a pure function of a seed and a name.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from fashion_dropout import seeds


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
        state = [seeds.derive(seed, name.format(layer=layer.name)), 0]
        layer.seed_generator.state.assign(np.array(state, dtype=np.uint32))


def share_masks(layers: Sequence[keras.layers.Dropout]) -> None:
    """Let dropout layers draw one mask for a whole batch instead of one for each image."""
    for layer in layers:
        layer.noise_shape = (1, *layer.output.shape[1:])
