"""The network, and the classifier that is stored and served.

A run has one set of weights under two names. The *network* is the table of the README and takes
grey values scaled to [0, 1]. The *classifier* is the network behind a layer that scales; it takes
raw grey values, and it is what is trained, stored and served, so that nobody can forget to scale.
"""

from __future__ import annotations

import keras

from fashion_dropout import seeds

CLASSIFIER = "classifier"
"""The name of a Keras model that is a classifier of Fashion-MNIST."""

IMAGE_SHAPE = (28, 28, 1)


def build_network(dropout: float, seed: int) -> keras.Model:
    """The convolutional network, 225,034 parameters.

    Every layer that draws at random has a seed of its own, derived from the run's seed and the
    layer's name: Keras would otherwise let the presence of dropout change the initial weights of
    the layers built after it.

    Args:
        dropout: The rate of the Dropout layer, in [0, 1).
        seed: The run's seed.

    Returns:
        A model from float32 (n, 28, 28, 1), grey values scaled to [0, 1], to float32 (n, 10),
        the probabilities of the classes.
    """
    layers = keras.layers

    def initializer(name: str) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=seeds.derive(seed, f"init/{name}"))

    def convolution(name: str, filters: int) -> keras.layers.Layer:
        return layers.Conv2D(
            filters, 3, activation="relu", kernel_initializer=initializer(name), name=name
        )

    def dense(name: str, units: int, activation: str) -> keras.layers.Layer:
        return layers.Dense(
            units, activation=activation, kernel_initializer=initializer(name), name=name
        )

    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE, name="scaled_image"),
            convolution("conv2d_1", 32),
            layers.MaxPooling2D(2, name="max_pooling2d_1"),
            convolution("conv2d_2", 64),
            layers.MaxPooling2D(2, name="max_pooling2d_2"),
            layers.Flatten(name="flatten"),
            dense("dense_1", 128, "relu"),
            layers.Dropout(dropout, seed=seeds.derive(seed, "dropout/dropout_1"), name="dropout_1"),
            dense("dense_2", 10, "softmax"),
        ],
        name="network",
    )


def build_classifier(network: keras.Model) -> keras.Model:
    """The network behind a layer that scales raw grey values.

    Args:
        network: As `build_network` gives it; its weights are shared, not copied.

    Returns:
        A model from uint8 (n, 28, 28, 1), grey values 0 … 255, to float32 (n, 10).
    """
    image = keras.Input(IMAGE_SHAPE, dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1 / 255, name="scale")(image)
    return keras.Model(image, network(scaled), name=CLASSIFIER)


def describe_layers(classifier: keras.Model) -> str:
    """The layers of the classifier, then those of the network in it, with shapes and counts."""
    lines: list[str] = []
    for model in (classifier, classifier.get_layer("network")):
        model.summary(print_fn=lines.append, line_length=76)
    return "\n".join(lines) + "\n"
