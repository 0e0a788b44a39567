from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from comparison.records import make_record
from comparison.tables import RULE, compared, runs
from fashion_dropout.comparison.pair_details import (
    chance_better,
    effects,
    hedges_g,
    noncentrality,
)
from fashion_dropout.comparison.statistics import compare


def pairs(own: np.ndarray, other: np.ndarray):
    table = runs(0.0, seeds=len(own))
    table["gap/loss"] = np.column_stack((other, own)).ravel()
    return compare(table, "gap/loss", regime="dropout", baseline="none", direction="lower")


def test_hedges_g_is_that_of_dabest():
    """DABEST 2025.10.20, effsize.hedges_g(control, test, is_paired="baseline"), on these values."""
    rng = np.random.default_rng(0)
    other = rng.normal(1, 0.1, 10)
    own = other * 0.7 + rng.normal(0, 0.1, 10)
    g, low, high = hedges_g(own, other, pairs(own, other))
    assert g == pytest.approx(-4.271195490767055)
    assert low < g < high


def test_the_interval_of_the_noncentrality_is_that_of_the_noncentral_t():
    low, high = noncentrality(-3.7, 9, 0.95)
    assert stats.nct.cdf(-3.7, 9, low) == pytest.approx(0.975, abs=1e-3)
    assert stats.nct.cdf(-3.7, 9, high) == pytest.approx(0.025, abs=1e-3)
    low, high = noncentrality(60.0, 9, 0.95)  # where SciPy's own function gives NaN
    assert low == pytest.approx(60 * np.sqrt(stats.chi2.ppf(0.025, 9) / 9), rel=0.02)
    assert high == pytest.approx(60 * np.sqrt(stats.chi2.ppf(0.975, 9) / 9), rel=0.02)


@pytest.mark.slow  # thousands of intervals
def test_the_interval_of_g_covers_the_true_effect():
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        seed = rng.normal(0, 0.8, 10)
        other, own = seed + rng.normal(0, 0.6, 10), 1.0 + seed + rng.normal(0, 0.6, 10)
        _, low, high = hedges_g(own, other, pairs(own, other))
        covered.append(low <= 1.0 <= high)  # both regimes vary by 1 between seeds
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)


def test_without_any_spread_there_is_no_g():
    equal = np.full(6, 0.3)
    assert all(math.isnan(one) for one in hedges_g(equal, equal, pairs(equal, equal)))
    rising = np.arange(6.0)
    g, low, high = hedges_g(rising + 1, rising, pairs(rising + 1, rising))
    assert g == low == high


def test_the_chance_is_that_of_the_t_posterior():
    (verdict,) = compared(runs(-0.02, noise=0.02)).verdicts
    one = verdict.difference
    p = stats.ttest_1samp(list(one.by_seed.values()), 0, alternative="less").pvalue
    assert chance_better(one, "lower") == pytest.approx(1 - p)
    assert chance_better(one, "higher") == pytest.approx(p)
    p = stats.ttest_1samp(list(one.by_seed.values()), -0.02, alternative="less").pvalue
    assert chance_better(one, "lower", beyond=0.02) == pytest.approx(1 - p)


@pytest.mark.parametrize(("language", "words"), [("en", "6 of 6"), ("ja", "6 組中 6 組")])
def test_the_effects_are_told_for_all_metrics_and_the_chance_for_the_primary(language, words):
    record = make_record()
    found = effects(record, record.compare(), language)
    assert found.table.iloc[0, 0] == RULE.primary
    assert found.table.iloc[0, -1] == words
    (sentence,) = found.sentences
    assert "> 99.9 %" in sentence
    alone = make_record(seeds=1)
    nothing = effects(alone, alone.compare(), language)
    assert (len(nothing.table), nothing.sentences) == (0, ())


def test_the_interval_of_g_is_by_itself():
    record = make_record(doses={"none": 0.0, "a": 0.2, "b": 0.4}, seeds=8)
    values = record.runs["gap/loss"] + np.random.default_rng(0).normal(0, 0.01, 24)
    record = replace(record, runs=record.runs.assign(**{"gap/loss": values}))
    comparison = record.compare()
    by_seed = record.runs.pivot(index="seed", columns="regime", values="gap/loss")
    one = comparison.verdicts[0].difference
    assert one.confidence == 0.975
    own, baseline = by_seed["a"].to_numpy(), by_seed["none"].to_numpy()
    _, low, high = hedges_g(own, baseline, replace(one, confidence=0.95))
    shown = effects(record, comparison, "en").table.iloc[0, 2].replace("−", "-")
    assert shown.endswith(f"[{low:+.2f}, {high:+.2f}]")


def test_rounding_is_no_spread():
    third = np.array([0.3, 0.3, 0.1 + 0.2, 0.3, 0.3, 0.3])
    assert all(math.isnan(one) for one in hedges_g(third - 0.1, third, pairs(third - 0.1, third)))
