"""Seeds crossed with splits: whom the interval covers, and what takes pairs for independent."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from comparison.tables import RULE
from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.guards import guard
from fashion_dropout.comparison.regimes import compare_regimes
from fashion_dropout.comparison.splits import widening, with_splits
from fashion_dropout.comparison.two_way import complete, layout, two_way, whole
from fashion_dropout.config.cell import (
    MOST_SPLIT,
    are_crossed,
    cell_name,
    pair_number,
    pair_text,
    seed_and_split,
)


def by_pair(table: np.ndarray) -> dict[int, float]:
    return {pair_number(s, k): float(value) for (s, k), value in np.ndenumerate(table)}


def crossed(effect: float, seeds: int = 6, splits: int = 3, noise: float = 0.004) -> pd.DataFrame:
    """A table of runs in which seeds and splits move both runs of a pair, and the difference."""
    rng = np.random.default_rng(0)
    of_seed, of_split = rng.normal(0, noise, seeds), rng.normal(0, noise, splits)
    return pd.DataFrame(
        [
            {
                "regime": regime,
                "seed": pair_number(seed, split),
                "gap/loss": 0.3 + number * (effect + of_seed[seed] + of_split[split])
                + rng.normal(0, noise / 4),
                "test/accuracy": 0.91 + rng.normal(0, 0.001),
            }
            for seed in range(seeds)
            for split in range(splits)
            for number, regime in enumerate(("none", "dropout"))
        ]
    )  # fmt: skip


def compared(table: pd.DataFrame):
    return compare_regimes(table, pd.DataFrame(), ["dropout"], RULE)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
@pytest.mark.parametrize("split", [0, 3, MOST_SPLIT])
def test_a_pair_of_seed_and_split_has_one_number_that_says_what_it_is(seed, split):
    pair = pair_number(seed, split)
    assert np.int64(pair) == pair
    assert seed_and_split(np.int64(pair)) == (seed, split)
    assert seed_and_split(seed) == (seed, None)
    assert are_crossed([pair])
    assert not are_crossed([seed])
    assert (pair_text(pair), pair_text(seed)) == (f"{seed}/{split}", f"{seed}")
    assert cell_name("none", pair) == f"none-seed{seed}-split{split}"


def test_the_error_of_the_mean_is_that_of_the_mean_squares_and_never_below_the_largest():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(6, 3)) + rng.normal(size=(6, 1)) + 2 * rng.normal(size=(1, 3))
    seeds = 3 * table.mean(axis=1).var(ddof=1)
    splits = 6 * table.mean(axis=0).var(ddof=1)
    rest = (17 * table.var(ddof=1) - 5 * seeds - 2 * splits) / 10  # sums of squares add up
    found = two_way(table[np.newaxis])
    assert found.error[0] ** 2 * 18 == pytest.approx(max(seeds + splits - rest, seeds, splits))
    assert found.freedom == 2
    low, high = found.interval(0.95)
    assert (high - low)[0] / 2 == pytest.approx(stats.t.ppf(0.975, 2) * found.error[0])
    t = found.mean[0] / found.error[0]
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert found.above(-0.5) == pytest.approx(stats.t.sf((found.mean[0] + 0.5) / found.error[0], 2))
    only_rest = np.array([[[1.0, -1.0], [-1.0, 1.0]]])  # means of seeds and splits are all equal
    assert two_way(only_rest).error[0] == pytest.approx(math.sqrt(4 / 4))


@pytest.mark.parametrize(("seeds", "splits"), [(6, 3), (4, 4), (10, 5)])
@pytest.mark.parametrize("of_splits", [0.0, 1.0, 2.0])
def test_the_interval_covers_the_mean_for_other_seeds_and_other_splits(seeds, splits, of_splits):
    """In full: benchmarks/splits.py."""
    rng, studies = np.random.default_rng(2), 4_000
    tables = (
        rng.normal(size=(studies, seeds, 1))
        + of_splits * rng.normal(size=(studies, 1, splits))
        + rng.normal(size=(studies, seeds, splits))
    )
    low, high = two_way(tables).interval(0.95)
    assert ((low <= 0) & (high >= 0)).mean() > 0.94


def test_one_seed_or_one_split_gives_no_interval():
    for shape in ((1, 4), (4, 1)):
        found = two_way(np.arange(4.0).reshape(1, *shape))
        assert found.p == found.above(0) == 1
        assert np.isnan(found.interval(0.95)).all()


def test_seeds_that_lack_a_split_are_left_out():
    values = by_pair(np.arange(6.0).reshape(3, 2))
    assert complete(values) == ([0, 1, 2], [0, 1])
    del values[pair_number(1, 1)]
    assert complete(values) == ([0, 2], [0, 1])
    assert layout(whole(values)).tolist() == [[[0, 1], [4, 5]]]
    table = crossed(-0.05)
    table = table[table["seed"] != pair_number(4, 2)]
    (verdict,) = compared(table).verdicts
    assert verdict.difference.n == 15
    assert verdict.undefined == (pair_number(4, 0), pair_number(4, 1))


def test_a_comparison_of_several_splits_takes_no_pairs_for_independent():
    table = crossed(-0.05)
    (verdict,) = compared(table).verdicts
    of = verdict.difference
    found = two_way(layout(of.by_seed))
    assert (of.low, of.high) == tuple(float(end[0]) for end in found.interval(0.95))
    assert of.p == found.p
    assert np.isnan([of.bca_low, of.bca_high]).all()
    assert verdict.kind == "better"
    assert verdict.smallest_p == 0
    values = np.array(list(of.by_seed.values()))
    low, high = statistics.t_interval(values)
    assert of.low < low < high < of.high, "narrower, as if they were independent"
    wider = widening(of)
    assert wider is not None
    assert (wider.seeds, wider.splits) == (6, 3)
    assert wider.ratio == pytest.approx((of.high - of.low) / (wider.high - wider.low))
    assert wider.ratio > 1
    harm = guard(of, 0.01, 0.05, "lower")
    assert harm.high == pytest.approx(two_way(layout(of.by_seed)).interval(0.9)[1][0])
    mean, low, high = statistics.mean_interval(table, "none", "gap/loss")
    assert low < mean < high


@pytest.mark.parametrize(
    ("effect", "kind"),
    [
        (-0.05, "better"),
        (0.05, "worse"),
        (0.0, "no difference that matters"),
        (-0.009, "better, by less than matters"),
    ],
)
def test_every_verdict_is_decided_by_the_same_t(effect, kind):
    (verdict,) = compared(crossed(effect, seeds=8, splits=8, noise=0.002)).verdicts
    assert verdict.kind == kind
    assert verdict.equivalence_tests is not None
    low, high = verdict.equivalence
    inside = -0.02 < low < high < 0.02
    assert inside == all(test.significant for test in verdict.equivalence_tests)


def test_tables_for_others_have_the_split_in_a_column_of_its_own():
    table = crossed(0.0, seeds=2, splits=2)
    found = with_splits(table)
    assert list(found.columns)[:3] == ["regime", "seed", "split"]
    assert found[["seed", "split"]].drop_duplicates().to_numpy().tolist() == [
        [0, 0], [0, 1], [1, 0], [1, 1],
    ]  # fmt: skip
    plain = table.assign(seed=range(len(table)))
    assert with_splits(plain) is plain
