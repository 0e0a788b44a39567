"""The network against the table of the README, and its equations against plain NumPy."""

from __future__ import annotations

import re
import runpy
from typing import Any

import numpy as np
import pytest

from conftest import ROOT

pytestmark = pytest.mark.usefixtures("tensorflow")

KERAS_FIT = ROOT / "experiments/dropout/keras_fit.py"

TABLE = [
    ("Conv2D", (26, 26, 32), 320),
    ("MaxPooling2D", (13, 13, 32), 0),
    ("Conv2D", (11, 11, 64), 18_496),
    ("MaxPooling2D", (5, 5, 64), 0),
    ("Flatten", (1600,), 0),
    ("Dense", (128,), 204_928),
    ("Dropout", (128,), 0),
    ("Dense", (10,), 1_290),
]


@pytest.fixture
def network():
    from fashion_dropout.learning.model import build_network

    return build_network(0.5, seed=0)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 28, 28, 1), dtype=np.float32)


def test_the_network_is_the_table(network):
    built = [
        (type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
    ]
    assert built == TABLE
    assert network.input_shape == (None, 28, 28, 1)
    assert network.count_params() == 225_034
    assert [layer.activation.__name__ for layer in network.layers if layer.count_params()] == [
        "relu",
        "relu",
        "relu",
        "softmax",
    ]


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_the_table_and_the_lines_of_keras_of_the_readme_are_this_network(network, images, readme):
    page = (ROOT / readme).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+)[^|]* \| \(([\d, ]+)\) \| ([\d,]+) \|", page, re.MULTILINE)
    read = [
        (kind, tuple(map(int, shape.split(", "))), int(count.replace(",", "")))
        for kind, shape, count in rows
    ]
    assert read == [("Input", (28, 28, 1), 0), *TABLE]

    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    known: dict[str, Any] = {}  # they import what they need
    exec(lines, known)
    same_but_for_seeds(known["network"], network, images)


def same_but_for_seeds(one: Any, other: Any, images: np.ndarray) -> None:
    own = ("name", "seed", "kernel_initializer")
    configs = [
        [
            {key: value for key, value in layer.get_config().items() if key not in own}
            for layer in model.layers
        ]
        for model in (one, other)
    ]
    assert configs[0] == configs[1]
    one.set_weights(other.get_weights())
    np.testing.assert_array_equal(one(images).numpy(), other(images).numpy())


def test_the_short_program_with_fit_builds_this_network(network, images):
    known = runpy.run_path(str(KERAS_FIT))
    same_but_for_seeds(known["build"](0.5), network, images)


def test_the_layers_have_the_names_that_recorded_weights_and_seeds_go_by(network):
    assert [layer.name for layer in network.layers] == [
        *("conv2d_1", "max_pooling2d_1", "conv2d_2", "max_pooling2d_2"),
        *("flatten", "dense_1", "dropout_1", "dense_2"),
    ]


def test_a_seed_gives_the_same_weights_to_the_bit_whatever_the_dropout():
    from fashion_dropout.learning.model import build_network

    def weights(dropout: float, seed: int) -> list[bytes]:
        return [array.tobytes() for array in build_network(dropout, seed).get_weights()]

    assert weights(0.0, 5) == weights(0.5, 5) == weights(0.8, 5)
    assert weights(0.5, 5) != weights(0.5, 6)


def test_every_kernel_is_drawn_from_a_seed_of_its_own(network):
    kernels = [layer.kernel.numpy().ravel()[:100] for layer in network.layers if layer.weights]
    scaled = [kernel / np.abs(kernel).max() for kernel in kernels]
    for index, one in enumerate(scaled):
        for other in scaled[index + 1 :]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


def test_convolution_is_cross_correlation_and_relu_cuts_at_zero(network, images):
    """S(i, j, k) = Σ I(i + m, j + n, c) K(m, n, c, k) + b(k); ReLU(x) = max(0, x)."""
    layer = network.get_layer("conv2d_1")
    rng = np.random.default_rng(1)
    kernel, bias = layer.get_weights()
    bias = rng.normal(size=bias.shape).astype(np.float32)
    layer.set_weights([kernel, bias])
    sums = np.zeros((3, 26, 26, 32))
    for row in range(26):
        for column in range(26):
            window = images[:, row : row + 3, column : column + 3, :]
            sums[:, row, column] = np.einsum("bmnc,mnck->bk", window, kernel) + bias
    assert (sums < 0).any()
    assert (sums > 0).any()
    np.testing.assert_allclose(layer(images).numpy(), np.maximum(0, sums), atol=1e-5)


def test_softmax_is_exponentials_over_their_sum(network):
    """softmax(z)_i = exp(z_i) / Σ exp(z_j)."""
    layer = network.get_layer("dense_2")
    inputs = np.random.default_rng(2).normal(size=(5, 128)).astype(np.float32)
    kernel, bias = (array.astype(np.float64) for array in layer.get_weights())
    logits = inputs @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(layer(inputs).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(layer(inputs).numpy().sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_keeps_a_value_with_probability_1_minus_r_and_scales_it(rate):
    """y_i = m_i x_i / (1 - r), m_i ~ Bernoulli(1 - r); nothing outside of training."""
    from fashion_dropout.learning.model import build_network

    layer = build_network(rate, seed=0).get_layer("dropout_1")
    values = np.random.default_rng(4).uniform(1, 2, (400, 128)).astype(np.float32)
    np.testing.assert_array_equal(layer(values, training=False).numpy(), values)
    dropped = layer(values, training=True).numpy()
    kept = dropped != 0
    np.testing.assert_allclose(dropped, kept * values / (1 - rate), rtol=1e-6)
    assert abs(kept.mean() - (1 - rate)) < 0.02
    assert abs(dropped.mean() - values.mean()) < 0.04


def test_the_classifier_scales_raw_grey_values_itself(network):
    from fashion_dropout.learning.model import build_classifier

    raw = np.random.default_rng(3).integers(0, 256, (4, 28, 28, 1), dtype=np.uint8)
    classifier = build_classifier(network)
    scaled = raw.astype(np.float32) * np.float32(1 / 255)
    np.testing.assert_array_equal(classifier(raw).numpy(), network(scaled).numpy())
    assert classifier.inputs[0].dtype == "uint8"
    assert classifier.count_params() == 225_034


def test_the_summary_shows_the_layers_of_the_network(network):
    from fashion_dropout.learning.model import build_classifier, describe_layers

    text = describe_layers(build_classifier(network))
    for expected in ("conv2d_1", "dropout_1", "204,928", "225,034"):
        assert expected in text
