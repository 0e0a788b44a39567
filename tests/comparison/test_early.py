from __future__ import annotations

import numpy as np
import pytest

from comparison.tables import RULE, curves, runs
from fashion_dropout.comparison import summary
from fashion_dropout.comparison.early import _decided, bias_adjusted
from fashion_dropout.comparison.regimes import compare_regimes
from fashion_dropout.comparison.sentences import sentence

LOOKS = RULE.model_copy(update={"looks": (7, 10, 16)})


def test_an_effect_that_any_study_shows_at_once_needs_no_adjustment():
    values = np.random.default_rng(0).normal(-0.2, 0.01, 7)
    assert bias_adjusted(values, [7], LOOKS) == pytest.approx(values.mean(), abs=5e-4)


def test_a_mean_that_was_only_just_shown_is_brought_nearer_to_zero():
    rng = np.random.default_rng(0)
    # The studies of a true effect of −0.03 that stop at once: what they say, and what is adjusted.
    studies = rng.normal(-0.03, 0.025, (300, 7))
    stopped = [one for one in studies if (one < 0).all()][:25]
    plain = np.mean([one.mean() for one in stopped])
    adjusted = np.mean([bias_adjusted(one, [7], LOOKS) for one in stopped])
    assert plain < -0.036
    assert plain < adjusted < -0.02
    assert abs(adjusted + 0.03) < abs(plain + 0.03)


def test_a_study_that_stopped_says_so_beside_its_estimate():
    table = runs(-0.15, seeds=16)
    first = compare_regimes(table, curves(table), ["dropout"], LOOKS, [tuple(range(7))])
    (verdict,) = first.verdicts
    assert verdict.look == 1
    said = sentence(verdict, LOOKS)
    assert "stopped early because this was decided" in said
    assert f"{verdict.adjusted:+.4f} adjusted".replace("-", "−") in said
    assert summary.difference_metrics(first)["diff/gap/loss/mean_adjusted"] == verdict.adjusted
    seen = [tuple(range(pairs)) for pairs in (7, 10, 16)]
    noisy = runs(-0.15, seeds=16, noise=0.15)
    last = compare_regimes(noisy, curves(noisy), ["dropout"], LOOKS, seen).verdicts[0]
    assert (last.look, last.adjusted) == (3, None)
    assert "stopped early" not in sentence(last, LOOKS)


def test_a_regime_that_was_decided_early_does_not_say_that_the_study_stopped():
    table = runs(-0.15, seeds=16, regimes=("none", "dropout", "open"))
    noise = np.random.default_rng(0).normal(0, 0.1, 16)
    table.loc[table["regime"] == "open", "gap/loss"] = 0.3 + noise
    rule = RULE.model_copy(update={"looks": (8, 12, 16)})
    looks = [tuple(range(pairs)) for pairs in rule.looks]
    comparison = compare_regimes(table, curves(table), ["dropout", "open"], rule, looks)
    assert [verdict.look for verdict in comparison.verdicts] == [1, 3]
    said = sentence(comparison.verdicts[0], rule)
    assert "decided at an early look" in said
    assert "stopped early" not in said + " ".join(summary.table_notes(comparison))


def test_the_simulated_rule_needs_the_interval_too():
    one = np.array([[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 2.0]])  # p = 2/2⁷, and t from −0.29 to 1.04
    assert not _decided(one, [7], LOOKS, 1).any()


def test_a_study_that_waits_for_a_look_is_not_called_too_small():
    table = runs(-0.15, seeds=3)
    (waiting,) = compare_regimes(table, curves(table), ["dropout"], LOOKS, []).verdicts
    assert "whatever the data" not in sentence(waiting, LOOKS)
