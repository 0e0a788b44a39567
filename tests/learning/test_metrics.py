"""Metrics against scikit-learn's and against hand calculation."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fashion_dropout.learning import metrics


@st.composite
def predictions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 60))
    sharpness = draw(st.floats(0.1, 20))
    probabilities = rng.dirichlet(np.ones(10) / sharpness, count).astype(np.float32)
    return probabilities, rng.integers(0, 10, count).astype(np.uint8)


@given(predictions())
@settings(deadline=None)
def test_every_class_is_counted_as_its_definition_says(given_predictions):
    probabilities, labels = given_predictions
    predicted = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(predicted, labels, 10)
    table = metrics.per_class(predicted, labels, tuple("abcdefghij"))
    for label in range(10):
        for other in range(10):
            assert confusion[label, other] == ((labels == label) & (predicted == other)).sum()
        hits = confusion[label, label]
        support, named = (labels == label).sum(), (predicted == label).sum()
        row = table.loc[label]
        assert row["support"] == support
        assert row["recall"] == pytest.approx(hits / support if support else 0)
        assert row["precision"] == pytest.approx(hits / named if named else 0)
        either = support + named
        assert row["f1"] == pytest.approx(2 * hits / either if either else 0)


@given(predictions())
@settings(deadline=None)
def test_the_likelihood_is_scikit_learns_where_that_does_not_clip(given_predictions):
    probabilities, labels = given_predictions
    assume(probabilities.min() > 1e-15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten float32 numbers do not sum to 1 in float64
        expected = reference.log_loss(labels, probabilities.astype(float), labels=range(10))
    assert metrics.negative_log_likelihood(probabilities, labels) == pytest.approx(expected)


@given(predictions())
@settings(deadline=None)
def test_the_order_of_the_examples_does_not_matter(given_predictions):
    probabilities, labels = given_predictions
    one = metrics.summary(probabilities, labels, tuple("abcdefghij"))
    other = metrics.summary(probabilities[::-1], labels[::-1], tuple("abcdefghij"))
    assert one.keys() == {"test/accuracy", "test/nll", "test/ece", "test/f1_macro"}
    for name, value in one.items():
        assert math.isclose(value, other[name], rel_tol=1e-9, abs_tol=1e-12)
    assert 0 <= one["test/ece"] <= 1


def test_calibration_error_by_hand():
    confidences = [0.95, 0.95, 0.95, 0.95, 0.65, 0.65]
    probabilities = np.array([[c, 1 - c] for c in confidences], dtype=np.float32)
    labels = np.array([0, 0, 0, 1, 0, 1], dtype=np.uint8)
    expected = (4 * abs(0.75 - 0.95) + 2 * abs(0.5 - 0.65)) / 6
    assert metrics.expected_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_a_bin_holds_its_upper_edge():
    """Confidence 1 lies in the last bin, and 0.2 = 3/15 in the third, with 0.19."""
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    assert metrics.expected_calibration_error(probabilities, np.array([0, 1], np.uint8)) == 0.5


def test_likelihood_by_hand_and_of_an_impossible_class():
    probabilities = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)
    assert metrics.negative_log_likelihood(probabilities, np.array([1, 0])) == pytest.approx(
        -math.log(0.75) / 2
    )
    impossible = metrics.negative_log_likelihood(probabilities[1:], np.array([1]))
    assert impossible == pytest.approx(87.336, abs=1e-3)
