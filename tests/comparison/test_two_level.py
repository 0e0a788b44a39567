"""Seeds and images drawn together: against a bootstrap written as one loop, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fashion_dropout.comparison import two_level
from fashion_dropout.comparison.two_level import ImageScores, image_intervals, tail


def scores(rng, loss):
    """A run with this loss of each image, and random confidence."""
    confidence = rng.uniform(0.3, 1, len(loss)).astype(np.float32)
    correct = rng.random(len(loss)) < confidence
    return ImageScores(
        np.asarray(loss, dtype=np.float32),
        correct,
        confidence - correct,
        np.ceil(confidence * 15 - 1).astype(np.uint8),
    )


def study(rng, seeds=8, images=300, between=0.05, within=0.3):
    """Runs whose losses differ by seed, by image, and by both."""
    easy = rng.normal(0, within, images)
    return {
        (regime, seed): scores(
            rng, shift + rng.normal(0, between) + sign * easy + rng.normal(0, 0.1, images)
        )
        for seed in range(seeds)
        for regime, shift, sign in (("none", 1.0, 0.0), ("dropout", 0.9, 1.0))
    }


def ece(run, drawn):
    sums = np.bincount(run.bins[drawn], weights=run.surplus[drawn], minlength=15)
    return np.abs(sums).sum() / len(drawn)


@pytest.mark.parametrize("metric", two_level.METRICS)
def test_the_matrix_product_is_the_loop(metric):
    rng = np.random.default_rng(0)
    runs = study(rng)
    low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", metric]
    means = []
    for _ in range(3000):
        seeds, images = rng.integers(0, 8, 8), rng.integers(0, 300, 300)

        def value(regime, seed, images=images):
            run = runs[regime, seed]
            if metric == "test/ece":
                return ece(run, images)
            of_images = run.loss if metric == "test/nll" else run.correct
            return of_images[images].mean()

        means.append(np.mean([value("dropout", s) - value("none", s) for s in seeds]))
    part = tail(8, 0.95)
    expected = np.quantile(means, (part, 1 - part))
    spread = float(np.std(means))
    assert (low, high) == pytest.approx(expected, abs=0.6 * spread)  # far quantiles are noisy
    assert (low + high) / 2 == pytest.approx(np.mean(means), abs=0.3 * spread)


def test_the_same_scores_give_the_same_interval():
    runs = study(np.random.default_rng(1), images=50)
    one, other = (image_intervals(runs, ["dropout"], "none", 0.95) for _ in range(2))
    assert one == other


def test_a_regime_against_itself_has_no_difference():
    runs = study(np.random.default_rng(2), images=50)
    same = {(r, s): runs["none", s] for r in ("none", "again") for s in range(8)}
    found = image_intervals(same, ["again"], "none", 0.95)
    assert set(found.values()) == {(0.0, 0.0)}


def test_only_pairs_count_and_too_few_have_no_interval():
    runs = study(np.random.default_rng(3), seeds=5, images=50)
    expected = image_intervals(
        {key: one for key, one in runs.items() if key[1] < 4}, ["dropout"], "none", 0.95
    )
    del runs["none", 4]
    assert image_intervals(runs, ["dropout"], "none", 0.95) == expected
    del runs["dropout", 3]
    assert image_intervals(runs, ["dropout", "missing"], "none", 0.95) == {}
    assert image_intervals({}, ["dropout"], "none", 0.95) == {}


def test_the_tail_goes_to_that_of_the_normal_distribution_and_is_wider_for_few_seeds():
    assert tail(10_000, 0.95) == pytest.approx(0.025, abs=1e-4)
    assert 0 < tail(4, 0.95) < tail(6, 0.95) < tail(10, 0.95) < 0.025
    assert tail(3, 0.95) == tail(1, 0.95) == 0
    t = stats.t.ppf(0.975, 9)
    assert tail(10, 0.95) == pytest.approx(stats.norm.cdf(-math.sqrt(10 / 9) * t))


def test_without_anything_else_the_interval_is_about_as_wide_as_that_over_seeds():
    rng = np.random.default_rng(4)
    runs = study(rng, seeds=10, images=200, within=0.0)
    low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", "test/nll"]
    values = [runs["dropout", s].loss.mean() - runs["none", s].loss.mean() for s in range(10)]
    half = stats.t.ppf(0.975, 9) * np.std(values, ddof=1) / math.sqrt(10)
    assert 0.9 * half < (high - low) / 2 < 1.3 * half


def test_the_interval_covers_other_images_where_that_over_seeds_does_not():
    rng = np.random.default_rng(5)
    both, only_seeds, studies = 0, 0, 60
    for _ in range(studies):
        runs = study(rng, seeds=8, images=60, between=0.02, within=0.5)
        low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", "test/nll"]
        both += low <= -0.1 <= high
        values = [runs["dropout", s].loss.mean() - runs["none", s].loss.mean() for s in range(8)]
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        only_seeds += interval.low <= -0.1 <= interval.high
    assert both / studies > 0.9
    assert only_seeds / studies < 0.8


def test_with_too_many_runs_only_the_calibration_error_has_no_interval(monkeypatch):
    monkeypatch.setattr(two_level, "MOST_RUNS_FOR_ECE", 15)
    runs = study(np.random.default_rng(6), images=50)
    found = image_intervals(runs, ["dropout"], "none", 0.95)
    assert {metric for _, metric in found} == {"test/accuracy", "test/nll"}
