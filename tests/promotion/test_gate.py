from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fashion_dropout.config.promotion import AgainstChampion, Floors
from fashion_dropout.promotion import gate

GATE = AgainstChampion(
    non_inferiority_margin=0.005, smallest_improvement=0.001, alpha=0.05, mcnemar="reported"
)


def correct(both: int, gained: int, lost: int, neither: int):
    """Whether challenger and champion are correct, for so many images of each kind."""
    counts = (both, gained, lost, neither)
    return np.repeat([True, True, False, False], counts), np.repeat(
        [True, False, True, False], counts
    )


def test_the_figures_are_those_of_the_textbook():
    paired = gate.paired_accuracy(*correct(4500, 121, 59, 320))
    assert paired.images == 5000
    assert (paired.gained, paired.lost) == (121, 59)
    assert paired.difference == pytest.approx((121 - 59) / 5000)
    # McNemar's exact test by hand: both tails of Binomial(180, 1/2).
    assert paired.p == pytest.approx(2 * stats.binom.cdf(59, 180, 0.5))
    # The normal approximation, with the variance of paired proportions; to two images of 5,000.
    error = np.sqrt(180 - (121 - 59) ** 2 / 5000) / 5000
    assert paired.low == pytest.approx(paired.difference - 1.96 * error, abs=4e-4)
    assert paired.high == pytest.approx(paired.difference + 1.96 * error, abs=4e-4)


@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(0, 40)] * 4).filter(lambda counts: sum(counts) > 1))
def test_exchanging_the_models_exchanges_the_signs(counts):
    challenger, champion = correct(*counts)
    one, other = (
        gate.paired_accuracy(challenger, champion),
        gate.paired_accuracy(champion, challenger),
    )
    assert one.difference == -other.difference
    assert one.p == other.p
    assert (one.gained, one.lost) == (other.lost, other.gained)
    assert one.low <= one.difference <= one.high


def test_two_models_with_the_same_predictions_tie():
    paired = gate.paired_accuracy(*correct(90, 0, 0, 10))
    assert (paired.difference, paired.low, paired.high, paired.p) == (0, 0, 0, 1)
    failed = [check.name for check in gate.champion_checks(paired, GATE) if not check.passed]
    assert failed == ["improvement"]


@pytest.mark.parametrize(
    ("gained", "lost", "mcnemar", "failed"),
    [
        (121, 59, "reported", []),
        (121, 59, "required", []),
        (75, 60, "reported", []),
        (75, 60, "required", ["McNemar test"]),
        (60, 58, "reported", ["improvement"]),
        (58, 60, "reported", ["improvement"]),
        (59, 121, "required", ["not inferior", "improvement", "McNemar test"]),
    ],
)
def test_the_gate_is_what_was_declared(gained, lost, mcnemar, failed):
    declared = GATE.model_copy(update={"mcnemar": mcnemar})
    paired = gate.paired_accuracy(*correct(4820 - gained - lost, gained, lost, 180))
    checks = gate.champion_checks(paired, declared)
    assert [check.name for check in checks if not check.passed] == failed


def test_every_floor_is_looked_at():
    floors = Floors(accuracy=0.9, calibration_error=0.1, worst_class_recall=0.6)
    good = {"accuracy": 0.9, "calibration_error": 0.1, "worst_class_recall": 0.6}
    assert all(check.passed for check in gate.floor_checks(good, floors))
    for name, bad in (
        ("accuracy", 0.8999),
        ("calibration_error", 0.1001),
        ("worst_class_recall", 0.5999),
        ("accuracy", float("nan")),
    ):
        checks = gate.floor_checks({**good, name: bad}, floors)
        assert [check.name for check in checks if not check.passed] == [name.replace("_", " ")]


def test_a_clear_loss_is_not_said_to_fail_for_its_small_p():
    declared = GATE.model_copy(update={"mcnemar": "required"})
    paired = gate.paired_accuracy(*correct(4640, 0, 30, 180))
    (check,) = [of for of in gate.champion_checks(paired, declared) if of.name == "McNemar test"]
    assert not check.passed
    assert check.expected == "p at most 0.05, more gained than lost"
    assert check.received == "p = 1.9e-09 (0 images gained, 30 lost)"
