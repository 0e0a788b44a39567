from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_dropout.comparison.equal_fit import (
    EPOCHS,
    OVER_RANGE,
    VALIDATION_LOSS,
    at_equal_fit,
    common_range,
    crossing,
    mean_over,
)


def history(regime: str, train: list[float], val: list[float], seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "regime": regime,
            "seed": seed,
            "epoch": range(1, len(train) + 1),
            "train/loss": train,
            "val/loss": val,
        }
    )


def test_both_runs_are_read_at_the_lowest_training_loss_that_both_reach():
    fast = history("none", [0.6, 0.4, 0.2], [0.7, 0.5, 0.6])
    slow = history("dropout", [0.8, 0.5, 0.3], [0.8, 0.6, 0.4])
    found = at_equal_fit(pd.concat([slow, fast]), "dropout", "none").set_index("regime")
    # The level is 0.3: half-way between the second and the third epoch of the fast run.
    assert found.loc["dropout", VALIDATION_LOSS] == 0.4
    assert found.loc["dropout", EPOCHS] == 3
    assert found.loc["none", VALIDATION_LOSS] == pytest.approx(0.55)
    assert found.loc["none", EPOCHS] == pytest.approx(2.5)


def test_a_level_that_is_reached_after_the_first_epoch_is_read_there():
    assert crossing(np.array([0.3, 0.2]), np.array([0.5, 0.6]), 0.4) == (1.0, 0.5)


def test_the_first_crossing_counts_where_the_training_loss_rises_again():
    training, validation = np.array([0.6, 0.4, 0.5, 0.3]), np.array([1.0, 2.0, 3.0, 4.0])
    # Of several levels, each is read by itself: below the first epoch, in between, at an epoch.
    epochs, losses = crossing(training, validation, [0.7, 0.45, 0.4, 0.35, 0.3])
    assert epochs == pytest.approx([1, 1.75, 2, 3.75, 4])
    assert losses == pytest.approx([1, 1.75, 2, 3.75, 4])


@pytest.mark.parametrize("broken", [[0.6, float("nan"), 0.2], [0.6, float("inf"), 0.2]])
def test_a_pair_with_a_broken_curve_has_no_value_and_is_kept(broken):
    whole = history("dropout", [0.8, 0.5, 0.3], [0.8, 0.6, 0.4])
    other = history("none", broken, [0.7] * len(broken))
    without_partner = history("none", [0.6, 0.5, 0.4], [0.7] * 3, seed=1)
    found = at_equal_fit(pd.concat([whole, other, without_partner]), "dropout", "none")
    assert found["seed"].tolist() == [0, 0]
    assert found[[OVER_RANGE, VALIDATION_LOSS, EPOCHS]].isna().all(axis=None)


def test_regimes_of_different_numbers_of_epochs_have_an_equal_fit_too():
    short = history("short", [0.8, 0.5], [0.8, 0.6])
    long = history("long", [0.8, 0.5, 0.3], [0.8, 0.6, 0.7])
    found = at_equal_fit(pd.concat([short, long]), "short", "long").set_index("regime")
    assert found[VALIDATION_LOSS].tolist() == [0.6, 0.6]
    assert found[EPOCHS].tolist() == [2, 2]


def test_a_seed_without_a_partner_is_no_pair():
    alone = history("dropout", [0.8, 0.5], [0.8, 0.6], seed=7)
    assert at_equal_fit(alone, "dropout", "none").empty
    assert at_equal_fit(pd.DataFrame(), "dropout", "none").empty


curves = st.lists(st.floats(0.01, 3), min_size=1, max_size=30)


@given(curves, curves)
def test_equal_runs_have_no_difference_and_a_slower_copy_has_none_either(train, val):
    """A regime that takes every second step of another one learns more slowly and no better."""
    epochs = min(len(train), len(val))
    train, val = sorted(train[:epochs], reverse=True), val[:epochs]
    slow_train = [train[epoch // 2] for epoch in range(epochs)]
    slow_val = [val[epoch // 2] for epoch in range(epochs)]
    both = pd.concat([history("none", train, val), history("dropout", slow_train, slow_val)])
    found = at_equal_fit(both, "dropout", "none").set_index("regime")
    assert found.loc["dropout", EPOCHS] >= found.loc["none", EPOCHS] - 1e-9
    if len(set(train)) == epochs:  # at a level that is reached twice, the first epoch counts
        difference = found.loc["dropout", VALIDATION_LOSS] - found.loc["none", VALIDATION_LOSS]
        assert difference == pytest.approx(0, abs=1e-9)


def test_the_mean_over_the_range_is_uniform_in_the_logarithm_of_the_training_loss():
    """A loss that is the logarithm of the training loss has the mean of the two ends."""
    train = np.geomspace(0.8, 0.05, 4001)
    found = mean_over(train, np.log(train), 0.1, 0.4)
    assert found == pytest.approx((math.log(0.1) + math.log(0.4)) / 2, abs=1e-6)


def test_the_range_begins_where_both_have_come_and_ends_where_both_have_been():
    fast, slow = np.array([0.6, 0.4, 0.2]), np.array([0.8, 0.5, 0.3, 0.35])
    assert common_range(fast, slow) == (0.3, 0.6)


def test_a_pair_without_a_common_range_has_no_mean_and_keeps_its_point():
    one = history("none", [0.3, 0.2], [0.5, 0.6])
    other = history("dropout", [0.8, 0.4], [0.9, 0.7])  # never comes to where the other one began
    found = at_equal_fit(pd.concat([one, other]), "dropout", "none")
    assert found[OVER_RANGE].isna().all()
    assert found[VALIDATION_LOSS].tolist() == [0.7, 0.5]
    zero = history("dropout", [0.8, 0.0], [0.9, 0.7])
    nothing = history("none", [0.8, 0.0], [0.9, 0.7])  # uniform in the logarithm: there is no zero
    assert at_equal_fit(pd.concat([zero, nothing]), "dropout", "none")[OVER_RANGE].isna().all()


losses = st.lists(st.tuples(st.floats(0.01, 3), st.floats(0.01, 3)), min_size=2, max_size=12)


def pair_of(one, other) -> pd.DataFrame | None:
    """The pair at equal fit, if it has a range that is worth integrating over."""
    low, high = common_range(*(np.array(curve)[:, 0] for curve in (one, other)))
    if not low * 1.001 < high:
        return None
    both = [
        history(name, *np.array(curve).T.tolist())
        for name, curve in (("none", one), ("dropout", other))
    ]
    return at_equal_fit(pd.concat(both), "dropout", "none").set_index("regime")[OVER_RANGE]


@settings(deadline=None)
@given(losses, losses)
def test_the_mean_is_what_reading_the_curve_at_many_levels_gives(one, other):
    found = pair_of(one, other)
    if found is None:
        return
    for name, curve in (("none", one), ("dropout", other)):
        training, validation = np.array(curve).T
        low, high = common_range(*(np.array(both)[:, 0] for both in (one, other)))
        edges = np.log([low, *np.unique(training[(training > low) & (training < high)]), high])
        total = 0.0  # the midpoint rule on each piece, between all places where the curve bends
        for left, right in itertools.pairwise(edges):
            middles = left + (right - left) * (np.arange(200) + 0.5) / 200
            values = [crossing(training, validation, math.exp(m))[1] for m in middles]
            total += float(np.mean(values)) * (right - left)
        assert found[name] == pytest.approx(total / (edges[-1] - edges[0]), abs=2e-3)


@settings(deadline=None)
@given(losses, losses, st.floats(-1, 1))
def test_the_difference_is_antisymmetric_and_moves_with_the_validation_loss(one, other, shift):
    found, swapped = pair_of(one, other), pair_of(other, one)
    if found is None:
        return
    difference = found["dropout"] - found["none"]
    assert difference == pytest.approx(swapped["none"] - swapped["dropout"], abs=1e-9)
    moved = pair_of(one, [(training, validation + shift) for training, validation in other])
    assert moved["dropout"] - moved["none"] == pytest.approx(difference + shift, abs=1e-6)


@settings(deadline=None)
@given(losses, losses, st.floats(0.1, 10))
def test_the_unit_of_the_training_loss_does_not_matter(one, other, factor):
    found = pair_of(one, other)
    scaled = [[(t * factor, v) for t, v in curve] for curve in (one, other)]
    again = pair_of(*scaled)
    if found is not None and again is not None:
        assert again.to_numpy() == pytest.approx(found.to_numpy(), abs=1e-6)
