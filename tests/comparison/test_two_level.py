"""Seeds and images drawn together: against a bootstrap written as one loop, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fashion_dropout.comparison import two_level
from fashion_dropout.comparison.two_level import ImageScores, expansion, image_intervals

RESAMPLED = 3000


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
def test_the_matrix_product_is_the_loop(metric, monkeypatch):
    monkeypatch.setattr(two_level, "expansion", lambda seeds, confidence: 1.0)  # plain resampling
    rng = np.random.default_rng(0)
    runs = study(rng)
    low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", metric]

    def value(regime, seed, images):
        run = runs[regime, seed]
        if metric == "test/ece":
            return ece(run, images)
        of_images = run.loss if metric == "test/nll" else run.correct
        return of_images[images].mean()

    def difference(seeds, images):
        return np.mean([value("dropout", s, images) - value("none", s, images) for s in seeds])

    means = [difference(rng.integers(0, 8, 8), rng.integers(0, 300, 300)) for _ in range(RESAMPLED)]
    estimate = difference(range(8), np.arange(300))
    expected = 2 * estimate - np.quantile(means, (0.975, 0.025))
    # The standard error of such a quantile is 2.7 standard deviations over the root of the number.
    noise = 4 * 2.7 * float(np.std(means)) / math.sqrt(RESAMPLED)
    assert (low, high) == pytest.approx(expected, abs=noise)


def test_the_same_scores_give_the_same_interval():
    runs = study(np.random.default_rng(1), images=50)
    one, other = (image_intervals(runs, ["dropout"], "none", 0.95) for _ in range(2))
    assert one == other


def test_a_regime_against_itself_has_no_difference():
    runs = study(np.random.default_rng(2), images=50)
    same = {(r, s): runs["none", s] for r in ("none", "again") for s in range(8)}
    found = image_intervals(same, ["again"], "none", 0.95)
    assert set(found.values()) == {(0.0, 0.0)}


def test_the_interval_of_a_swapped_pair_is_the_mirrored_one():
    runs = study(np.random.default_rng(7), images=50)
    swapped = {({"none": "dropout", "dropout": "none"}[r], s): of for (r, s), of in runs.items()}
    one = image_intervals(runs, ["dropout"], "none", 0.95)
    for place, (low, high) in image_intervals(swapped, ["dropout"], "none", 0.95).items():
        assert one[place] == pytest.approx((-high, -low), abs=1e-6)


def test_only_pairs_count_and_too_few_have_no_interval():
    runs = study(np.random.default_rng(3), seeds=4, images=50)
    expected = image_intervals(
        {key: one for key, one in runs.items() if key[1] < 3}, ["dropout"], "none", 0.95
    )
    assert expected
    del runs["none", 3]
    assert image_intervals(runs, ["dropout"], "none", 0.95) == expected
    del runs["dropout", 2]
    assert image_intervals(runs, ["dropout", "missing"], "none", 0.95) == {}
    assert image_intervals({}, ["dropout"], "none", 0.95) == {}


def test_few_seeds_are_spread_out_and_many_are_not():
    assert expansion(10_000, 0.95) == pytest.approx(1, abs=1e-3)
    assert 1 < expansion(20, 0.95) < expansion(10, 0.95) < expansion(3, 0.95)
    t, z = stats.t.ppf(0.975, 9), stats.norm.ppf(0.975)
    assert expansion(10, 0.95) == pytest.approx(t / z * math.sqrt(10 / 9))


@pytest.mark.parametrize("seeds", [3, 6, 10])
def test_without_anything_else_the_interval_is_about_as_wide_as_that_over_seeds(seeds):
    rng = np.random.default_rng(4)
    runs = study(rng, seeds=seeds, images=200, within=0.0)
    low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", "test/nll"]
    values = [runs["dropout", s].loss.mean() - runs["none", s].loss.mean() for s in range(seeds)]
    half = stats.t.ppf(0.975, seeds - 1) * np.std(values, ddof=1) / math.sqrt(seeds)
    assert 0.95 * half < (high - low) / 2 < 1.3 * half


@pytest.mark.parametrize("seeds", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_the_interval_covers_other_images_where_that_over_seeds_does_not(seeds, monkeypatch):
    monkeypatch.setattr(two_level, "RESAMPLES", 1000)
    rng = np.random.default_rng(5)
    both, only_seeds, half, studies = 0, 0, 0.0, 200
    for _ in range(studies):
        runs = study(rng, seeds=seeds, images=60, between=0.02, within=0.5)
        low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", "test/nll"]
        both += low <= -0.1 <= high
        half += (high - low) / 2 / studies
        values = [
            runs["dropout", s].loss.mean() - runs["none", s].loss.mean() for s in range(seeds)
        ]
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        only_seeds += interval.low <= -0.1 <= interval.high
    assert both / studies > 0.95 - 2 * math.sqrt(0.95 * 0.05 / studies)
    assert only_seeds / studies < 0.8
    # The images dominate here, and their part is not made wider by there being few seeds.
    assert half < 1.25 * stats.norm.ppf(0.975) * math.hypot(0.5 / math.sqrt(60), 0.02)


def test_the_calibration_error_is_not_shifted_by_resampling():
    """With each bin right on average, resampling can only add to the error of a regime."""
    rng = np.random.default_rng(8)
    images = 400
    confidence = rng.uniform(0.3, 1, images).astype(np.float32)
    bins = np.ceil(confidence * 15 - 1).astype(np.uint8)

    def run(chance):
        correct = rng.random(images) < chance
        return ImageScores(np.zeros(images, np.float32), correct, confidence - correct, bins)

    chances = {"none": confidence - 0.25, "dropout": confidence}
    runs = {(name, s): run(chance) for s in range(8) for name, chance in chances.items()}
    low, high = image_intervals(runs, ["dropout"], "none", 0.95)["dropout", "test/ece"]
    everything = np.arange(images)
    estimate = np.mean(
        [ece(runs["dropout", s], everything) - ece(runs["none", s], everything) for s in range(8)]
    )
    # The true difference is -0.25; the estimate is too near to zero, the interval nearer to truth.
    assert estimate > -0.25
    assert (low + high) / 2 < estimate


def test_with_too_many_runs_only_the_calibration_error_has_no_interval(monkeypatch):
    monkeypatch.setattr(two_level, "MOST_RUNS_FOR_ECE", 15)
    runs = study(np.random.default_rng(6), images=50)
    found = image_intervals(runs, ["dropout"], "none", 0.95)
    assert {metric for _, metric in found} == {"test/accuracy", "test/nll"}
