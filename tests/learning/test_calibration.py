from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from fashion_dropout.learning.calibration import at_temperature, fit_temperature
from fashion_dropout.learning.metrics import (
    expected_calibration_error,
    losses,
    negative_log_likelihood,
)


def drawn(temperature: float, n: int = 20_000):
    """Predictions that are calibrated at a temperature, and labels drawn from them there."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (n, 10))
    true = special.softmax(logits / temperature, axis=1)
    labels = (true.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return special.softmax(logits, axis=1).astype(np.float32), labels.astype(np.uint8)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_drawn_labels_is_found_and_calibrates(temperature):
    probabilities, labels = drawn(temperature)
    found = fit_temperature(probabilities, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    after = at_temperature(probabilities, found)
    assert expected_calibration_error(after, labels) < 0.015
    assert negative_log_likelihood(after, labels) <= negative_log_likelihood(probabilities, labels)


@given(st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_no_temperature_is_better_than_the_one_that_was_fitted(other):
    probabilities, labels = drawn(1.7, 200)
    best = at_temperature(probabilities, fit_temperature(probabilities, labels))
    assert negative_log_likelihood(best, labels) <= (
        negative_log_likelihood(at_temperature(probabilities, other), labels) + 1e-6
    )


def test_a_temperature_changes_confidence_and_no_answer():
    probabilities, _ = drawn(1.0, 300)
    np.testing.assert_allclose(at_temperature(probabilities, 1.0), probabilities, atol=1e-6)
    colder, warmer = (at_temperature(probabilities, t) for t in (0.5, 2.0))
    assert colder.dtype == np.float32
    assert (warmer.max(axis=1) < colder.max(axis=1)).all()
    for changed in (colder, warmer):
        assert (changed.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        np.testing.assert_allclose(changed.sum(axis=1), 1, atol=1e-5)


def test_probabilities_of_zero_and_one_have_a_temperature():
    sure = np.eye(10, dtype=np.float32)[np.arange(100) % 10]
    labels = (np.arange(100) % 10).astype(np.uint8)
    assert 0.05 <= fit_temperature(sure, labels) < 0.2
    wrong = np.roll(labels, 1)
    assert 5 < fit_temperature(sure, wrong) <= 20
    assert np.isfinite(at_temperature(sure, 20)).all()


def test_the_loss_of_each_image_has_the_likelihood_as_its_mean():
    probabilities, labels = drawn(1.0, 50)
    each = losses(probabilities, labels)
    assert each.shape == (50,)
    assert each.mean() == negative_log_likelihood(probabilities, labels)
    assert each[3] == pytest.approx(-np.log(probabilities[3, labels[3]]))
