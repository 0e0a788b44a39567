from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from comparison.records import make_record
from fashion_dropout.comparison.detail import share_left, survives
from fashion_dropout.comparison.statistics import Difference, t_interval


def difference(values, first_seed=0) -> Difference:
    low, high = t_interval(np.asarray(values, dtype=float))
    seeds = range(first_seed, first_seed + len(values))
    return Difference(
        metric="test/nll",
        regime="dropout",
        by_seed=dict(zip(seeds, values, strict=True)),
        mean=float(np.mean(values)),
        low=low,
        high=high,
        bca_low=low,
        bca_high=high,
        p=1.0,
        p_holm=1.0,
        prob_better=1.0,
    )


def pairs(rng, n=10, left=0.2, spread=0.03):
    before = rng.normal(-0.1, spread, n)
    return before, left * before + rng.normal(0, 0.2 * spread, n)


def test_the_ends_are_the_shares_that_student_s_test_does_not_refuse():
    before, after = pairs(np.random.default_rng(0))
    found = share_left(difference(before), difference(after))
    assert found is not None
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(after.mean() / before.mean())
    for end in (found.low, found.high):
        assert stats.ttest_1samp(after - end * before, 0).pvalue == pytest.approx(0.05)


def test_a_gain_that_recalibration_leaves_as_it_is_survives_wholly():
    before, _ = pairs(np.random.default_rng(1))
    found = share_left(difference(before), difference(before))
    assert found is not None
    assert found == pytest.approx((1, 1, 1))


def test_the_share_is_undefined_where_no_gain_is_shown():
    before, after = pairs(np.random.default_rng(2))
    for values in (-before, before - before.mean(), before[:1]):
        assert share_left(difference(values), difference(after[: len(values)])) is None
    assert share_left(difference(before), difference(after, first_seed=9)) is None


def test_the_interval_covers_the_true_share():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(500):
        before, after = pairs(rng, n=6)
        found = share_left(difference(before), difference(after))
        assert found is not None
        covered += found.low <= 0.2 <= found.high
    assert covered / 500 > 0.95 - 2 * (0.95 * 0.05 / 500) ** 0.5


@pytest.mark.parametrize(("language", "far"), [("en", "less than −100"), ("ja", "< −100")])
def test_of_a_gain_that_is_only_just_shown_no_share_is_given_to_the_digit(language, far):
    rng = np.random.default_rng(0)
    one, other = (stats.zscore(rng.normal(size=8), ddof=1) for _ in range(2))
    before, after = difference(one * 1.18 - 1), difference(other * 2)
    share = share_left(before, after)
    assert share is not None and share.low < -1
    text = survives(before, after, make_record(), language)
    assert far in text
    assert f"{100 * share.low:.0f}".removeprefix("-") not in text
