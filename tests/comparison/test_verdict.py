from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from comparison.tables import RULE, compared, runs
from fashion_dropout.comparison import summary
from fashion_dropout.comparison.statistics import Difference, smallest_p
from fashion_dropout.comparison.verdict import Verdict, decide, seeds_needed


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


pairs = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=20)


@given(pairs, st.integers(1, 20), st.floats(0.001, 0.2))
def test_the_advised_number_of_seeds_can_reach_alpha_with_that_many_comparisons(
    values, comparisons, alpha
):
    rule = RULE.model_copy(update={"alpha": alpha})
    needed = seeds_needed(difference(values), rule, comparisons)
    assert smallest_p(needed, comparisons) <= alpha


@given(pairs, st.integers(1, 19))
def test_more_comparisons_never_need_fewer_seeds(values, comparisons):
    one = difference(values)
    assert seeds_needed(one, RULE, comparisons) <= seeds_needed(one, RULE, comparisons + 1)


@given(pairs, st.integers(1, 20))
def test_a_study_is_never_advised_to_run_as_many_seeds_as_it_has_run(values, comparisons):
    verdict = decide(difference(values), RULE, comparisons)
    said = summary.sentence(verdict, RULE)
    assert verdict.kind == "not shown"
    if "it would take about" in said:
        assert verdict.seeds_needed > len(values)
    if smallest_p(len(values), comparisons) > RULE.alpha:
        assert f"{len(values)} pairs cannot give a p below" in said
        assert "it would take about" in said


def test_eight_comparisons_need_more_than_the_six_pairs_that_one_needs():
    one = difference([0.001, -0.001] * 3)
    assert seeds_needed(one, RULE, 1) == 6
    assert seeds_needed(one, RULE, 8) == 9
    assert decide(one, RULE, 8) == Verdict("not shown", one, comparisons=8, seeds_needed=9)
    assert math.isclose(smallest_p(9, 8), 8 * 2 / 2**9)
