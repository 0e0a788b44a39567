"""When a study with looks ends: decided by the pairs of a declared look, whatever else is there."""

from __future__ import annotations

import numpy as np
import pytest

from comparison.tables import RULE, curves, runs
from fashion_dropout.comparison.equal_fit import at_equal_fit
from fashion_dropout.comparison.regimes import looks_taken, verdicts_of

LOOKS = RULE.model_copy(update={"looks": (7, 10, 16)})
SEEDS = tuple(range(16))


def taken(table, ended=SEEDS, rule=LOOKS):
    return looks_taken(table, curves(table), ["dropout"], rule, SEEDS, ended)


def test_a_clear_effect_ends_the_study_at_the_first_look():
    looks = taken(runs(-0.15, seeds=16))
    assert looks.seen == (SEEDS[:7],)
    assert looks.over


def test_no_effect_that_matters_ends_it_too():
    rule = LOOKS.model_copy(update={"smallest_difference": 0.05})
    table = runs(0.0, seeds=16)
    looks = taken(table, rule=rule)
    assert looks.over
    assert len(looks.seen) == 1
    equal_fit = {"dropout": at_equal_fit(curves(table), "dropout", "none")}
    (verdict,) = verdicts_of(table, equal_fit, rule, looks.seen)
    assert (verdict.kind, verdict.difference.n, verdict.look) == (
        "no difference that matters",
        7,
        1,
    )


def test_a_study_goes_on_while_nothing_is_decided_and_ends_with_its_last_look():
    table = runs(0.0, seeds=16, noise=0.2)
    assert [len(seen) for seen in taken(table).seen] == [7, 10, 16]
    assert taken(table).over
    between = taken(table, ended=SEEDS[:9])
    assert ([len(seen) for seen in between.seen], between.over) == ([7], False)


@pytest.mark.parametrize("ended", [(), SEEDS[:6], SEEDS[1:]])
def test_a_look_waits_for_all_its_pairs(ended):
    looks = taken(runs(-0.15, seeds=16), ended=ended)
    assert (looks.seen, looks.over) == ((), False)


def test_pairs_beyond_the_look_that_decided_change_nothing():
    table = runs(-0.15, seeds=16)
    table.loc[table["seed"] >= 7, "gap/loss"] = 0.3  # there the effect is gone
    looks = taken(table)
    assert looks.seen == (SEEDS[:7],)
    equal_fit = {"dropout": at_equal_fit(curves(table), "dropout", "none")}
    (verdict,) = verdicts_of(table, equal_fit, LOOKS, looks.seen)
    assert (verdict.kind, verdict.difference.n) == ("better", 7)


def test_a_pair_whose_run_failed_is_left_out_and_blocks_nothing():
    table = runs(-0.15, seeds=16)
    table = table[(table["seed"] != 2) | (table["regime"] != "dropout")]
    looks = taken(table)  # six of seven pairs: 2/64 is more than the 0.028 of the first look
    assert [len(seen) for seen in looks.seen] == [7, 10]


def test_an_open_guard_keeps_a_study_going_and_a_harmed_one_ends_it():
    table = runs(-0.15, seeds=16)
    rng = np.random.default_rng(0)
    noisy = table.assign(**{"val/loss": rng.normal(0.3, 0.05, len(table))})
    rule = LOOKS.model_copy(update={"guards": {"val/loss": 0.001}})
    assert [len(seen) for seen in taken(noisy, rule=rule).seen] == [7, 10, 16]
    harmed = table.assign(**{"val/loss": 0.3 + 0.1 * (table["regime"] == "dropout")})
    harmed["val/loss"] += rng.normal(0, 0.001, len(table))
    assert [len(seen) for seen in taken(harmed, rule=rule).seen] == [7]


def test_a_regime_keeps_the_verdict_of_the_look_that_decided_it():
    table = runs(-0.15, seeds=16, regimes=("none", "one", "other"))
    rng = np.random.default_rng(0)
    other = table["regime"] == "other"
    table.loc[other, "gap/loss"] = rng.normal(0.3, 0.1, int(other.sum()))
    looks = looks_taken(table, curves(table), ["one", "other"], LOOKS, SEEDS, SEEDS)
    assert [len(seen) for seen in looks.seen] == [7, 10, 16]
    equal_fit = {r: at_equal_fit(curves(table), r, "none") for r in ("one", "other")}
    one, other = verdicts_of(table, equal_fit, LOOKS, looks.seen)
    assert (one.difference.regime, one.kind, one.difference.n) == ("one", "better", 10)
    assert (other.kind, other.difference.n) == ("not shown", 16)
