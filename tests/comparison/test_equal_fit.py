from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_dropout.comparison.equal_fit import (
    EPOCHS,
    VALIDATION_LOSS,
    at_equal_fit,
    crossing,
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
    found = crossing(np.array([0.3, 0.2]), np.array([0.5, 0.6]), 0.4)
    assert (found.epochs, found.validation_loss) == (1.0, 0.5)


def test_the_first_crossing_counts_where_the_training_loss_rises_again():
    found = crossing(np.array([0.6, 0.4, 0.5, 0.3]), np.array([1.0, 2.0, 3.0, 4.0]), 0.45)
    assert found.epochs == pytest.approx(1.75)
    assert found.validation_loss == pytest.approx(1.75)


@pytest.mark.parametrize("broken", [[0.6, float("nan"), 0.2], [0.6, float("inf"), 0.2], [0.6]])
def test_a_pair_with_a_broken_curve_has_no_value_and_is_kept(broken):
    whole = history("dropout", [0.8, 0.5, 0.3], [0.8, 0.6, 0.4])
    other = history("none", broken, [0.7] * len(broken))
    without_partner = history("none", [0.6, 0.5, 0.4], [0.7] * 3, seed=1)
    found = at_equal_fit(pd.concat([whole, other, without_partner]), "dropout", "none")
    assert found["seed"].tolist() == [0, 0]
    assert found[[VALIDATION_LOSS, EPOCHS]].isna().all(axis=None)


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
