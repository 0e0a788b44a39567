"""Learning rates over a run, against the formulas of their sources."""

import math

import numpy as np
import pytest

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.schedule import learning_rates

BATCHES = 10


def rates(epochs=4, **parameters) -> np.ndarray:
    config = TrainingConfig(epochs=epochs, learning_rate=0.01, **parameters)
    return np.concatenate([learning_rates(config, e, BATCHES) for e in range(1, epochs + 1)])


def test_a_constant_rate_is_the_one_that_was_given_to_the_bit():
    assert set(rates()) == {0.01}


def test_a_warm_up_rises_in_equal_steps_and_reaches_the_full_rate_with_its_last_one():
    found = rates(warmup_epochs=2)
    np.testing.assert_allclose(found[:20], 0.01 * np.arange(1, 21) / 20)
    assert set(found[19:]) == {0.01}


def test_cosine_falls_to_nothing_at_the_last_step():
    found = rates(schedule="cosine", warmup_epochs=1)
    assert found[9] == 0.01
    assert found[24] == pytest.approx(0.005)  # half way down
    assert found[39] == pytest.approx(0.0, abs=1e-18)
    assert (np.diff(found[9:]) < 0).all()
    expected = [0.01 * (1 + math.cos(math.pi * (t - 10) / 30)) / 2 for t in range(11, 41)]
    np.testing.assert_allclose(found[10:], expected, atol=1e-18)


@pytest.mark.parametrize(("warmup", "top"), [(0, 12), (2, 20)])
def test_one_cycle_rises_and_falls(warmup, top):
    found = rates(schedule="one-cycle", warmup_epochs=warmup)
    assert found.argmax() == top - 1
    assert found.max() == pytest.approx(0.01)
    assert 0.01 / 25 < found[0] < 0.01 / 15
    assert found[-1] == pytest.approx(0.01 / 25 * 1e-4)
    assert (np.diff(found[:top]) > 0).all()
    assert (np.diff(found[top - 1 :]) < 0).all()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_a_warm_up_of_the_whole_run_only_rises(schedule):
    found = rates(schedule=schedule, warmup_epochs=4)
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(0.01)
