"""Where the spread comes from: standard deviations, shares and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fashion_dropout.comparison.spread import Place, deviation, share, variance
from fashion_dropout.comparison.spread_words import of_shares, of_the_split, spread_table

RNG = np.random.default_rng(0)
NONE, DROPOUT, PAIRED = (
    Place("val/loss", regime, paired)
    for regime, paired in (("none", False), ("dropout", False), ("dropout", True))
)


def made_up() -> dict[str, dict[Place, list[float]]]:
    """Six values of each place, of known spread: without dropout, masks move nothing."""
    unit = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]) * math.sqrt(5 / 6)  # standard deviation 1
    of = {"init": 1, "order": 2, "masks": 1, "split": 2, "init+order+masks+split": 4}
    return {
        sources: {
            NONE: (0.0 if sources == "masks" else size) * unit,
            DROPOUT: size * unit,
            PAIRED: size * unit / 2,
        }
        for sources, size in of.items()
    }


def found():
    return variance("none", made_up(), "init+order+masks+split")


def test_single_sources_stand_in_their_order_and_everything_last():
    assert [of.sources for of in found().spreads[NONE]] == [
        "init", "order", "masks", "split", "init+order+masks+split",
    ]  # fmt: skip


def test_a_share_is_a_ratio_of_variances_and_shares_are_added_up():
    of = {spread.sources: spread for spread in found().spreads[DROPOUT]}
    assert of["order"].deviation.value == pytest.approx(2)
    assert of["order"].share.value == pytest.approx(4 / 16)
    assert of["init+order+masks+split"].share.value == 1
    assert found().sum_of_shares(DROPOUT) == pytest.approx((1 + 4 + 1 + 4) / 16)
    assert found().widening(PAIRED) == pytest.approx(math.sqrt(10 / 6))


def test_what_does_not_move_has_no_spread_and_its_share_is_zero():
    masks = found().single(NONE)["masks"]
    assert masks.deviation == masks.share == (0, 0, 0)
    nothing = variance("none", {"init": {NONE: [1.0, 1.0]}, "init+order": {NONE: [2.0, 2.0]}},
                       "init+order")  # fmt: skip
    assert all(math.isnan(of.share.value) for of in nothing.spreads[NONE])
    assert math.isnan(nothing.widening(NONE))


def test_the_intervals_are_those_of_chi_square_and_f():
    values, everything = RNG.normal(size=6), RNG.normal(size=8)
    s, low, high = deviation(values)
    assert stats.chi2.cdf(5 * s**2 / low**2, 5) == pytest.approx(0.975)
    assert stats.chi2.cdf(5 * s**2 / high**2, 5) == pytest.approx(0.025)
    ratio, low, high = share(values, everything)
    assert stats.f.cdf(ratio / low, 5, 7) == pytest.approx(0.975)
    assert stats.f.cdf(ratio / high, 5, 7) == pytest.approx(0.025)


def test_both_intervals_cover_what_they_say_and_common_draws_make_that_of_a_share_wider():
    inside, rng = np.zeros(2), np.random.default_rng(1)
    for _ in range(1_000):
        one, other = rng.normal(size=(2, 6))
        inside += [
            deviation(one).low <= 1 <= deviation(one).high,
            share(one, one + other).low <= 0.5 <= share(one, one + other).high,
        ]
    assert inside[0] / 1_000 == pytest.approx(0.95, abs=0.02)
    assert inside[1] / 1_000 > 0.95


def test_few_values_are_no_spread():
    assert math.isnan(deviation([1.0]).value)
    assert math.isnan(share([1.0], [1.0, 2.0]).value)


def test_words_name_the_split_and_say_that_shares_need_not_add_up():
    split, wider = of_the_split(found(), "val/loss")
    assert split.startswith("The split alone makes 25 % of the variance of dropout − no dropout")
    assert "95 % CI 3 % to 179 %" in split
    assert "about 1.29 times as wide" in wider
    said = " ".join(of_shares(found(), "val/loss"))
    assert "no dropout 56 %, dropout 62 %, dropout − no dropout (paired) 62 %" in said
    assert "need not add up to 100 %" in said
    assert "with n = 6, the ratio of two equal variances has a 95 % CI of 14 % to 715 %" in said
    assert "分割だけ" in next(of_the_split(found(), "val/loss", "ja"))


def test_the_table_has_a_row_for_each_study_and_the_sum():
    table = spread_table(found(), "val/loss")
    assert len(table) == 3 * 6
    assert table.iloc[0].tolist() == [
        "no dropout", "initial weights", "6", "1.0000 [0.6242, 2.4526]", "6 % [1, 45]",
    ]  # fmt: skip
    assert table.iloc[5].tolist() == ["no dropout", "sum of the single sources", "", "", "56 %"]


def test_where_no_source_moves_alone_nothing_is_added_up():
    values = {"init+order": {NONE: [1.0, 2.0]}, "init+order+masks": {NONE: [1.0, 3.0]}}
    of = variance("none", values, "init+order+masks")
    assert math.isnan(of.sum_of_shares(NONE))
    assert spread_table(of, "val/loss").iloc[-1, -1] == "–"
    assert not any("single sources add up" in line for line in of_shares(of, "val/loss"))
