"""The best value of a parameter, on made-up runs whose best value is known."""

from __future__ import annotations

import numpy as np
import pytest

from comparison.records import make_record
from fashion_dropout.comparison.dose import METRIC, WITHIN, best_dose, dose_sentences
from fashion_dropout.texts import LANGUAGES

RATES = {"none": 0.0, "low": 0.25, "middle": 0.5, "high": 0.75}
LOSSES = {"none": 0.26, "low": 0.234, "middle": 0.23, "high": 0.25}


def with_losses(noise: float, seeds: int = 8, **changes):
    record = make_record(RATES, seeds=seeds, **changes)
    drawn = np.random.default_rng(1).normal(0, noise, len(record.runs))
    runs = record.runs.assign(**{METRIC: record.runs["regime"].map(LOSSES) + drawn})
    return make_record(RATES, seeds=seeds, runs=runs, **changes)


def test_the_lowest_mean_and_the_smallest_value_near_it_are_found():
    found = best_dose(with_losses(noise=0.0))
    assert (found.parameter, found.seeds) == ("dropout", 8)
    assert (found.lowest.value, found.lowest.low, found.lowest.high) == (0.5, 0.5, 0.5)
    assert (found.least.value, found.least.low, found.least.high) == (0.25, 0.25, 0.25)
    assert LOSSES["low"] - LOSSES["middle"] < WITHIN < LOSSES["high"] - LOSSES["middle"]


def test_noise_makes_the_choice_unsure():
    found = best_dose(with_losses(noise=0.02))
    assert found.lowest.low < found.lowest.high
    assert found.lowest.low <= found.lowest.value <= found.lowest.high
    assert found.least.value <= found.lowest.value


def test_seeds_without_all_runs_are_left_out():
    assert best_dose(with_losses(noise=0.0, missing=(("low", 3),))).seeds == 7
    assert best_dose(with_losses(noise=0.0, seeds=2, missing=(("low", 1),))) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_said_in_words_where_the_regimes_differ_in_one_number_only(language):
    (said,) = dose_sentences(with_losses(noise=0.0), language)
    assert "0.5" in said
    assert "0.25" in said
    assert "0.005 nats" in said
    assert dose_sentences(make_record(), language) == []


def test_two_seeds_that_agree_make_no_choice_sure():
    record = with_losses(noise=0.004, seeds=2)
    table = record.runs.pivot(index="seed", columns="regime", values=METRIC)
    assert table.idxmin(axis=1).nunique() == 1  # both seeds have their lowest loss there
    found = best_dose(record)
    assert found.lowest.low < found.lowest.high
