from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from comparison.tables import RULE, compared, runs
from fashion_dropout.comparison.attainable import smallest_p
from fashion_dropout.comparison.power import seeds_needed
from fashion_dropout.comparison.sentences import sentence
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.verdict import decide
from fashion_dropout.texts import LANGUAGES


def test_holm_runs_over_the_regimes_of_the_primary_metric():
    names = ("none", "low", "high")
    comparison = compared(runs(-0.1, seeds=6, regimes=names), names[1:])
    assert [one.difference.p for one in comparison.verdicts] == [0.03125, 0.03125]
    assert [one.difference.p_holm for one in comparison.verdicts] == [0.0625, 0.0625]
    assert [one.kind for one in comparison.verdicts] == ["not shown", "not shown"]


def difference(values: list[float], p: float = 1.0) -> Difference:
    """A difference that nothing has shown, of these pairs."""
    return Difference(
        metric="gap/loss",
        regime="dropout",
        by_seed=dict(enumerate(values)),
        mean=sum(values) / len(values),
        low=-1.0,
        high=1.0,
        bca_low=-1.0,
        bca_high=1.0,
        p=p,
        p_holm=p,
        prob_better=0.5,
    )


ADVICE = "seeds would show a difference of 0.02 with a probability of 80 %: in a new study"

pairs = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=20)


@given(pairs, st.integers(1, 20))
@settings(deadline=None, max_examples=10)
def test_a_study_is_never_advised_to_run_as_many_seeds_as_it_has_run(values, comparisons):
    verdict = decide(difference(values), RULE, comparisons)
    said = sentence(verdict, RULE)
    if verdict.kind != "not shown":
        assert verdict.kind == "no difference that matters"
        assert ADVICE not in said
        return
    if ADVICE in said:
        deviation = float(np.std(values, ddof=1))
        needed = seeds_needed(deviation, RULE, comparisons)
        assert needed > len(values)
        assert f"About {needed} {ADVICE}" in said
    if smallest_p(len(values), comparisons) > RULE.alpha:
        name = "p" if comparisons == 1 else "Holm-adjusted p"
        assert f"With {len(values)} pairs, the smallest possible {name} is" in said
        assert ADVICE in said


def test_eight_comparisons_need_more_than_the_six_pairs_that_one_needs():
    one = difference([0.018, 0.022] * 3)
    verdict = decide(one, RULE, 8)
    assert (verdict.kind, verdict.comparisons) == ("not shown", 8)
    assert "About 9 seeds would show a difference of 0.02" in sentence(verdict, RULE)
    assert math.isclose(smallest_p(9, 8), 8 * 2 / 2**9)


def test_what_so_few_pairs_cannot_give_is_never_above_what_they_gave():
    """Six pairs of one regime and ten of another: Holm's method multiplies only the latter by 2."""
    table = runs(-0.1, seeds=10, noise=0.03, regimes=("none", "few", "many"))
    table = table[(table["regime"] != "few") | (table["seed"] < 6)]
    few, many = compared(table, ("few", "many")).verdicts
    assert (few.difference.n, many.difference.n) == (6, 10)
    assert few.smallest_p == 2 / 2**6
    assert many.smallest_p == 2 * 2 / 2**10
    (five,) = compared(runs(-0.1, seeds=5)).verdicts
    assert five.smallest_p == 2 / 2**5
    said = sentence(few, RULE)
    assert "smallest possible" not in said
    assert "Holm-adjusted p = " in said


def test_a_single_pair_needs_no_word_on_the_smallest_p():
    (one,) = compared(runs(-0.1, seeds=1)).verdicts
    assert sentence(one, RULE).endswith("(n = 1 pair, no interval).")


@pytest.mark.parametrize(
    ("pairs", "kind"), [(2, "not shown"), (4, "not shown"), (5, "no difference that matters")]
)
def test_equivalence_needs_as_many_pairs_as_its_exact_tests_do(pairs, kind):
    """However narrow the interval is: the smallest one-sided p of four pairs is 1/16."""
    verdict = decide(difference([0.001, 0.002, 0.0015, 0.001, 0.002][:pairs]), RULE)
    assert verdict.equivalence[1] < 0.006
    assert verdict.kind == kind


def guarded(loss: float, accuracy: float, noise: float = 0.001) -> pd.DataFrame:
    """Eight pairs in which dropout narrows the gap, and changes loss and accuracy by so much."""
    rng = np.random.default_rng(1)
    table = runs(-0.15)
    dropout = (table["regime"] == "dropout").to_numpy(dtype=float)
    return table.assign(
        **{
            "val/loss": 0.3 + loss * dropout + rng.normal(0, noise, len(table)),
            "val/accuracy": 0.9 + accuracy * dropout + rng.normal(0, noise, len(table)),
        }
    )


GUARDS = {"val/loss": 0.01, "val/accuracy": 0.003}


@pytest.mark.parametrize(
    ("table", "kind", "words"),
    [
        (guarded(-0.02, 0.02), "better", "Guards: the validation loss and the validation accuracy"),
        (guarded(-0.02, 0.0), "better", "No harm that matters to the validation accuracy (at most"),
        (guarded(-0.02, -0.006), "mixed", "But it harms the validation accuracy"),
        (guarded(0.03, 0.001), "mixed", "But it harms the validation loss"),
        (guarded(0.0, -0.001, noise=0.01), "better, harm not excluded", "Harm is not excluded"),
    ],
)
def test_a_regime_is_better_only_if_no_guard_suffers(table, kind, words):
    (verdict,) = compared(table, guards=GUARDS).verdicts
    assert verdict.kind == kind
    assert [one.difference.metric for one in verdict.guards] == list(GUARDS)
    said = sentence(verdict, RULE)
    assert said.startswith(
        "With dropout, the generalization gap (validation − training loss) is 0.14"
    )
    assert words in said
    assert "better" not in said


def test_a_rule_without_guards_says_that_harm_was_not_tested():
    (verdict,) = compared(runs(-0.15)).verdicts
    assert verdict.kind == "better"
    assert sentence(verdict, RULE).endswith("whether other metrics suffer was not tested.")


def test_a_guard_without_values_excludes_no_harm():
    (verdict,) = compared(runs(-0.15), guards=GUARDS).verdicts
    assert verdict.kind == "better, harm not excluded"
    for language in LANGUAGES:
        assert "nan" not in sentence(verdict, RULE, language)
    assert "the validation loss (fewer than two pairs have a value" in sentence(verdict, RULE)


def test_better_and_better_by_more_than_the_smallest_difference_are_told_apart():
    (large,) = compared(runs(-0.15)).verdicts
    assert large.beyond
    assert "The whole interval exceeds the smallest difference of interest, 0.02." in sentence(
        large, RULE
    )
    (small,) = compared(runs(-0.021)).verdicts
    assert (small.kind, small.beyond) == ("better", False)
    assert "The interval also contains effects below 0.02" in sentence(small, RULE)


def test_the_intervals_have_the_confidence_of_the_decision():
    (one,) = compared(runs(-0.1), alpha=0.1).verdicts
    assert one.difference.confidence == 0.9
    names = ("none", "low", "high")
    several = compared(runs(-0.1, regimes=names), names[1:])
    assert [one.difference.confidence for one in several.verdicts] == [0.975, 0.975]
    assert {one.confidence for one in several.secondary} == {0.95}
    strict = compared(runs(-0.1, regimes=names), names[1:], alpha=0.001).verdicts[0]
    assert "(99.95 % CI" in sentence(strict, RULE)  # not 100 %


def test_equivalence_is_two_one_sided_tests_at_alpha():
    values = [0.0, 0.02, 0.001, 0.02, 0.0, 0.019]
    one = difference(values)
    verdict = decide(one, RULE.model_copy(update={"smallest_difference": 0.021}))
    low, high = verdict.equivalence
    assert stats.ttest_1samp(values, low, alternative="greater").pvalue == pytest.approx(0.05)
    assert stats.ttest_1samp(values, high, alternative="less").pvalue == pytest.approx(0.05)
    assert verdict.kind == "no difference that matters"
    said = sentence(verdict, RULE)
    assert f"90 % CI {low:+.4f} to {high:+.4f}" in said
    assert "two one-sided tests" in said


def test_equivalence_asks_the_exact_test_as_well_as_the_interval():
    """Its interval lies inside, but too many sign patterns of m − d reach the sum of the data."""
    one = difference([0.0, 0.03, 0.0, 0.03, 0.0, 0.024])
    verdict = decide(one, RULE.model_copy(update={"smallest_difference": 0.0275}))
    assert -0.0275 < verdict.equivalence[0] < verdict.equivalence[1] < 0.0275
    assert verdict.kind == "not shown"


def test_a_difference_can_be_shown_and_be_smaller_than_what_matters():
    (verdict,) = compared(runs(-0.008, noise=0.001), guards=GUARDS).verdicts
    assert verdict.kind == "better, by less than matters"
    assert not verdict.beyond
    said = sentence(verdict, RULE)
    assert "less than the smallest difference of interest, 0.02 (90 % CI" in said
    (other,) = compared(runs(0.008, noise=0.001)).verdicts
    assert other.kind == "worse, by less than matters"
    assert "less than the smallest difference of interest" in sentence(other, RULE)


def test_a_pair_whose_curves_are_not_finite_is_named():
    table = runs(-0.1)
    rule = {"primary": "val/loss_at_equal_fit", "secondary": ("epochs_to_equal_fit",)}
    (whole,) = compared(table, **rule).verdicts
    assert whole.undefined == ()
    assert whole.difference.mean == pytest.approx(-0.0989, abs=1e-4)
    broken = table.assign(**{"gap/loss": table["gap/loss"].where(table["seed"] != 3)})
    (verdict,) = compared(broken, **rule).verdicts
    assert verdict.undefined == (3,)
    assert verdict.difference.n == 7
    said = sentence(verdict, RULE.model_copy(update=rule))
    assert "With dropout, the validation loss at equal training loss is 0.0995 lower" in said
    assert "The pairs of seeds 3 have no value" in said
    (gap,) = compared(broken).verdicts  # any other primary metric is no exception
    assert gap.undefined == (3,)


@pytest.mark.parametrize(
    ("language", "condition"), [("en", "as these 2 do"), ("ja", "2 ペアと同じ")]
)
def test_the_number_of_seeds_is_advised_under_its_condition(language, condition):
    (two,) = compared(runs(-0.1, seeds=2)).verdicts
    assert condition in sentence(two, RULE, language)
