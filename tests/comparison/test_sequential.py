from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison.tables import RULE
from fashion_dropout.comparison.sequential import in_order, random_patterns, sign_flip_looks
from fashion_dropout.comparison.statistics import sign_flip_p


def test_alpha_is_spent_as_lan_and_demets_spend_it_near_pocock():
    rule = RULE.model_copy(update={"looks": (7, 10, 16)})
    assert rule.spending == pytest.approx((0.0280, 0.0084, 0.0135), abs=5e-5)
    assert sum(rule.spending) == pytest.approx(0.05)
    assert RULE.spending == (0.05,)


values = st.lists(st.floats(-1, 1).filter(lambda value: abs(value) > 1e-6), min_size=2, max_size=9)


@given(values)
def test_one_look_at_all_pairs_is_the_sign_flip_test(found):
    (look,) = sign_flip_looks(np.array(found), [len(found)], [0.05], two_sided=True)
    assert look.p == pytest.approx(sign_flip_p(np.array(found)))
    assert look.significant == (look.p <= 0.05)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0.001, 1), min_size=8, max_size=8), st.booleans())
def test_whatever_the_sizes_are_the_looks_together_spend_at_most_alpha(sizes, two_sided):
    """Every sign pattern is as likely as any other if there is no effect: all are tried."""
    spending, wrong = (0.08, 0.05, 0.07), np.zeros(3)
    for signs in itertools.product((-1.0, 1.0), repeat=8):
        looks = sign_flip_looks(np.array(signs) * sizes, [5, 6, 8], spending, two_sided=two_sided)
        first = next((n for n, look in enumerate(looks) if look.significant), None)
        if first is not None:
            wrong[first] += 1 / 2**8
    assert (wrong <= np.array(spending) + 1e-12).all()
    assert wrong[0] > 0


def test_a_look_that_may_spend_too_little_for_its_pairs_shows_nothing():
    (look,) = sign_flip_looks(np.ones(4), [4], [0.05], two_sided=True)
    assert (look.p, look.level, look.significant) == (2 / 16, 0.0, False)
    (one_sided,) = sign_flip_looks(np.ones(5), [5], [0.05], two_sided=False)
    assert (one_sided.p, one_sided.significant) == (1 / 32, True)


def test_above_sixteen_pairs_the_patterns_are_random_and_always_the_same():
    patterns = random_patterns(17)
    assert patterns.shape == (10_001, 17)
    assert (patterns[0] == 1).all()
    assert set(np.unique(patterns)) == {-1, 1}
    found = np.random.default_rng(0).normal(0.3, 1, 17)
    (look,) = sign_flip_looks(found, [17], [0.05], two_sided=True)
    assert look.p == pytest.approx(sign_flip_p(found), abs=0.02)


def test_pairs_come_in_the_order_of_the_looks_and_those_without_a_value_not_at_all():
    found, sizes = in_order({0: 0.5, 1: 0.1, 3: 0.3}, [(3, 2), (3, 2, 0, 1)])
    assert found.tolist() == [0.3, 0.5, 0.1]
    assert sizes == [1, 3]


@pytest.mark.parametrize("sizes", [(7, 10, 16), (9, 18), (18, 24)])
@pytest.mark.parametrize("two_sided", [True, False])
def test_what_a_look_has_found_stays_as_it_was_when_more_pairs_come(sizes, two_sided):
    spending = (0.03, 0.01, 0.01)[: len(sizes)]
    for values in np.random.default_rng(0).normal(0.75, 1, (20, sizes[-1])):
        looks = sign_flip_looks(values, sizes, spending, two_sided=two_sided)
        first = sizes[0]
        (alone,) = sign_flip_looks(values[:first], [first], spending[:1], two_sided=two_sided)
        assert (looks[0].p, looks[0].level) == (alone.p, alone.level)
