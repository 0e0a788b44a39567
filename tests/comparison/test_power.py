from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from comparison.tables import RULE
from fashion_dropout.comparison import power as of_power
from fashion_dropout.comparison.attainable import smallest_p
from fashion_dropout.comparison.power import power, seeds_for_equivalence, seeds_needed
from fashion_dropout.comparison.statistics import sign_flip_p, t_interval

M = RULE.smallest_difference
POINTS = 0.03


def flip_p(values: np.ndarray) -> np.ndarray:
    """The exact one-sided sign-flip p of each column, by all patterns."""
    pairs = len(values)
    patterns = 1.0 - 2 * (np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1)
    return np.mean(patterns @ values >= values.sum(axis=0) - 1e-9, axis=0)


def limits(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    pairs = len(values)
    half = stats.t.ppf((1 + confidence) / 2, pairs - 1) * stats.sem(values)
    return values.mean(axis=0) - half, values.mean(axis=0) + half


@pytest.mark.parametrize("pairs", [6, 7, 10, 12])
@pytest.mark.parametrize("effect", [0.5, 1, 2])
@pytest.mark.parametrize("comparisons", [1, 3])
def test_the_power_is_that_of_simulated_studies(pairs, effect, comparisons):
    noise = np.random.default_rng(1).normal(0, M / effect, (pairs, 4_000))
    level = RULE.alpha / comparisons
    values = noise + M
    shown = (2 * flip_p(values) <= level) & (limits(values, 1 - level)[0] > 0)
    low, high = limits(noise, 1 - 2 * level)
    none = (np.maximum(flip_p(M + noise), flip_p(M - noise)) <= level) & (low > -M) & (high < M)
    found = power(pairs, {"gap/loss": M / effect}, RULE, comparisons)
    assert found.difference == pytest.approx(shown.mean(), abs=POINTS)
    assert found.unharmed == found.difference
    assert found.equivalence == pytest.approx(none.mean(), abs=POINTS)


def drawn_flip_p(values: np.ndarray, patterns: int = 10_000) -> np.ndarray:
    """The one-sided p of each column, by drawn patterns and the one that was seen."""
    drawn = np.random.default_rng(3).choice([-1.0, 1.0], (patterns, len(values)))
    above = [drawn @ part >= part.sum(axis=0) - 1e-9 for part in np.array_split(values, 8, axis=1)]
    return (1 + np.concatenate([part.sum(axis=0) for part in above])) / (1 + patterns)


@pytest.mark.slow  # 40 million sums each
@pytest.mark.parametrize("pairs", [16, 20, 30])
@pytest.mark.parametrize("effect", [0.5, 1, 2])
def test_the_power_of_many_pairs_is_that_of_simulated_studies(pairs, effect):
    noise = np.random.default_rng(1).normal(0, M / effect, (pairs, 4_000))
    values = noise + M
    shown = (2 * drawn_flip_p(values) <= RULE.alpha) & (limits(values, 1 - RULE.alpha)[0] > 0)
    low, high = limits(noise, 1 - 2 * RULE.alpha)
    larger = np.maximum(drawn_flip_p(M + noise), drawn_flip_p(M - noise))
    none = (larger <= RULE.alpha) & (low > -M) & (high < M)
    found = power(pairs, {"gap/loss": M / effect}, RULE, 1)
    assert found.difference == pytest.approx(shown.mean(), abs=POINTS)
    assert found.equivalence == pytest.approx(none.mean(), abs=POINTS)


@pytest.mark.slow  # 700 tests with drawn sign patterns
def test_the_power_is_that_of_the_tests_of_the_verdict_also_where_these_draw_sign_patterns():
    noise = np.random.default_rng(2).normal(0, M / 0.69, (700, 18)) + M
    shown = [t_interval(one)[0] > 0 and sign_flip_p(one) <= RULE.alpha for one in noise]
    found = power(18, {"gap/loss": M / 0.69}, RULE)
    assert found.difference == pytest.approx(np.mean(shown), abs=POINTS + 0.01)


def test_five_pairs_show_no_difference_and_four_no_equivalence():
    five, four = (power(pairs, {"gap/loss": M / 50}, RULE) for pairs in (5, 4))
    assert (five.difference, four.equivalence) == (0, 0)
    assert five.equivalence > 0.99


def test_a_guard_takes_the_probability_that_it_is_not_cleared():
    rule = RULE.model_copy(update={"guards": {"val/loss": 0.01, "val/accuracy": 0.003}})
    known = {"gap/loss": M, "val/loss": 0.01}
    harm = np.random.default_rng(3).normal(0, 0.01, (10, 20_000))
    cleared = np.mean(limits(harm, 1 - 2 * rule.alpha)[1] < 0.01)
    found = power(10, known, rule)
    assert found.unharmed / found.difference == pytest.approx(cleared, abs=0.01)


@pytest.mark.parametrize(("ratio", "needed"), [(1.25, 15), (1 / 0.7, 19), (1.4526, 19)])
def test_the_seeds_needed_are_the_fewest_with_that_power(ratio, needed):
    found = seeds_needed(ratio * M, RULE)
    assert found == needed
    before, then = (power(pairs, {"gap/loss": ratio * M}, RULE) for pairs in (found - 1, found))
    assert before.difference < of_power.POWER <= then.difference
    equal = seeds_for_equivalence(ratio * M, RULE)
    assert power(equal, {"gap/loss": ratio * M}, RULE).equivalence >= of_power.POWER


def test_any_spread_has_an_answer():
    assert seeds_needed(0, RULE) == seeds_needed(M / 1e9, RULE) == 6
    assert seeds_for_equivalence(0, RULE) == 5
    assert seeds_needed(1e3 * M, RULE) == pytest.approx(7.85e6, rel=0.01)
    assert seeds_needed(M, RULE) < seeds_needed(M, RULE, 2) < seeds_needed(M, RULE, 8)


@given(st.floats(0, 0.5), st.integers(1, 20), st.floats(0.005, 0.2))
@settings(deadline=None, max_examples=10)
def test_the_seeds_needed_can_reach_alpha_with_that_many_comparisons(deviation, comparisons, alpha):
    rule = RULE.model_copy(update={"alpha": alpha})
    assert smallest_p(seeds_needed(deviation, rule, comparisons), comparisons) <= alpha


@given(st.floats(0, 0.5), st.integers(1, 19))
@settings(deadline=None, max_examples=10)
def test_more_comparisons_never_need_fewer_seeds(deviation, comparisons):
    fewer, more = (seeds_needed(deviation, RULE, n) for n in (comparisons, comparisons + 1))
    assert fewer <= more
