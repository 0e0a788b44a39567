from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from comparison.records import make_record
from fashion_dropout.comparison.attainable import smallest_p
from fashion_dropout.comparison.equal_fit import fit_curve, half_width


def history(regime: str, seed: int, training: list[float], validation: list[float]) -> pd.DataFrame:
    columns = {"train/loss": training, "val/loss": validation}
    epochs = range(1, len(training) + 1)
    return pd.DataFrame({"regime": regime, "seed": seed, "epoch": epochs, **columns})


def test_the_curve_is_read_at_the_same_training_losses_on_the_range_that_all_pairs_share():
    histories = pd.concat(
        [
            history("none", 1, [0.9, 0.5, 0.1], [1.0, 0.6, 0.6]),
            history("dropout", 1, [0.8, 0.4, 0.2], [0.9, 0.5, 0.4]),
            history("none", 2, [1.0, 0.3], [1.0, 0.3]),
            history("dropout", 2, [0.7, 0.3], [0.7, 0.3]),
            history("none", 3, [1.0, np.nan], [1.0, 0.3]),
            history("dropout", 3, [0.7, 0.3], [0.7, 0.3]),
            history("dropout", 4, [0.6, 0.35], [0.6, 0.35]),
        ]
    )
    found = fit_curve(histories, "dropout", "none", 0.95)
    assert list(found.by_seed) == [1, 2]
    assert (found.levels[0], found.levels[-1]) == (0.7, 0.3)
    assert np.diff(np.log(found.levels)) == pytest.approx(np.log(0.3 / 0.7) / 79)
    assert found.points == {1: 0.2, 2: 0.3}
    # Seed 1 at 0.7: dropout 0.9 − 0.4·0.1/0.4, none 1.0 − 0.4·0.2/0.4; at 0.3: 0.45 and 0.6.
    assert found.by_seed[1][[0, -1]] == pytest.approx([0.8 - 0.8, 0.45 - 0.6])
    assert found.by_seed[2] == pytest.approx(0)
    assert found.mean[-1] == pytest.approx(-0.075)
    assert np.isnan(found.low).all()  # of two pairs


def test_without_a_pair_or_a_common_training_loss_there_is_no_curve():
    alone = history("none", 1, [0.9, 0.5], [1.0, 0.6])
    apart = pd.concat([alone, history("dropout", 1, [0.4, 0.2], [0.4, 0.2])])
    assert fit_curve(alone, "dropout", "none", 0.95) is None
    assert fit_curve(apart, "dropout", "none", 0.95) is None


def test_the_band_is_that_of_the_largest_t_over_all_flips():
    table = np.random.default_rng(1).normal(3, 1, (6, 9)).cumsum(axis=1)
    deviations = table - table.mean(axis=0)
    largest = []
    for signs in itertools.product((1, -1), repeat=6):
        flipped = np.array(signs)[:, None] * deviations
        error = flipped.std(axis=0, ddof=1) / np.sqrt(6)
        largest.append(np.abs(flipped.mean(axis=0) / error).max())
    critical = np.sort(largest)[int(np.ceil(0.95 * 63))]
    error = table.std(axis=0, ddof=1) / np.sqrt(6)
    assert half_width(table, 0.95) == pytest.approx(critical * error)


def test_a_level_at_which_all_pairs_agree_has_no_width():
    table = np.random.default_rng(2).normal(0, 1, (8, 3))
    table[:, 1] = 0.25
    assert half_width(table, 0.95)[1] == pytest.approx(0, abs=1e-9)
    assert (half_width(np.zeros((8, 3)), 0.95) == 0).all()


@pytest.mark.parametrize("mean", [0, 3])
@pytest.mark.parametrize("pairs", [6, 10])
def test_the_band_covers_the_whole_curve_in_95_of_100_studies(pairs, mean):
    places = np.linspace(0, 1, 30)
    common = np.exp(-(((places[:, None] - places) / 0.3) ** 2)) + 1e-9 * np.eye(30)
    rng = np.random.default_rng(3)
    studies = rng.multivariate_normal(np.full(30, mean), common, (400, pairs))
    covered = [
        (np.abs(table.mean(axis=0) - mean) <= half_width(table, 0.95)).all() for table in studies
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.033)


def test_the_band_of_the_best_of_several_regimes_covers_as_for_all_of_them():
    record = make_record({"none": 0.0, "low": 0.2, "high": 0.5}, seeds=8)
    found = record.fit_curve
    alone = fit_curve(record.histories, record.foremost, "none", 0.95)
    assert found is not None and alone is not None
    assert (found.confidence, alone.confidence) == (0.975, 0.95)
    assert (found.high - found.low > alone.high - alone.low).any()


@pytest.mark.parametrize(
    ("pairs", "confidence", "there"),
    [(5, 0.9, True), (5, 0.95, False), (6, 0.95, True), (6, 0.975, False)],
)
def test_there_is_a_band_only_where_a_difference_can_be_shown(pairs, confidence, there):
    table = np.random.default_rng(0).normal(size=(pairs, 3))
    assert np.isfinite(half_width(table, confidence)).all() == there
    assert (smallest_p(pairs) <= 1 - confidence) == there
