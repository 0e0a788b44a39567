"""The verdict for one regime, by the rule that the study declared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fashion_dropout.comparison import attainable, statistics
from fashion_dropout.comparison.guards import Guarded
from fashion_dropout.comparison.sequential import Look, in_order, sign_flip_looks
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.two_way import layout, two_way
from fashion_dropout.config.cell import are_crossed
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import GAIN

Kind = Literal[
    "better",
    "mixed",
    "better, harm not excluded",
    "worse",
    "better, by less than matters",
    "worse, by less than matters",
    "no difference that matters",
    "not shown",
]
DECIDED = frozenset(get_args(Kind)) - {"better, harm not excluded", "not shown"}
"""The verdicts that end a study at a look. The others leave open what more pairs may show: the
effect itself, or whether a guard suffers."""


@dataclass(frozen=True)
class Verdict:
    """What a study concludes for one regime against the baseline.

    Attributes:
        kind: ``better`` and ``worse`` describe the regime, not the baseline. ``mixed``: better in
            the primary metric, but a guard is harmed. ``better, harm not excluded``: better in the
            primary metric, and no guard is harmed, but not all are shown to be unharmed. ``better
            (worse), by less than matters``: a difference is shown, and also shown to be smaller
            than the smallest difference of interest.
        difference: The difference in the primary metric. Its interval has the confidence
            1 − alpha, simultaneous over the regimes by Bonferroni's inequality, which holds
            whatever the regimes have in common.
        comparisons: How many regimes the study compares with the baseline. Holm's method adjusts
            the p-values for this number.
        smallest_p: The smallest adjusted p that so many pairs, of this regime and of the others,
            can give.
        equivalence: The t interval that belongs to the tests of equivalence (Schuirmann 1987): of
            confidence 1 − 2·alpha, simultaneous likewise; with looks, 1 − 2 · what this look newly
            spends of alpha. None with fewer than two pairs.
        equivalence_confidence: Of that interval.
        equivalence_tests: The one-sided sign-flip tests of d + m > 0 and of m − d > 0, with m the
            smallest difference of interest, at that look; None with fewer than two pairs.
        guards: The metrics that must not suffer, in the order of the rule.
        beyond: Whether the whole interval is better than the baseline by more than the smallest
            difference of interest.
        undefined: The seeds of the pairs for which the primary metric has no value.
        look: At which look it was found, from 1; 0 if the study declares none, or before the first.
        test: The sign-flip test of that look; None before the first.
        adjusted: After stopping early, the mean difference without the bias of stopping; see
            `early.bias_adjusted`. None otherwise.
        went_on: Whether the study went on after that look, because of other regimes.
    """

    kind: Kind
    difference: Difference
    comparisons: int = 1
    smallest_p: float = 1.0
    equivalence: tuple[float, float] | None = None
    equivalence_confidence: float = math.nan
    equivalence_tests: tuple[Look, Look] | None = None
    guards: tuple[Guarded, ...] = ()
    beyond: bool = False
    undefined: tuple[int, ...] = ()
    look: int = 0
    test: Look | None = None
    adjusted: float | None = None
    went_on: bool = False


def decide(
    difference: Difference,
    rule: Decision,
    comparisons: int = 1,
    guards: Sequence[Guarded] = (),
    undefined: tuple[int, ...] = (),
    smallest_p: float | None = None,
    looks: Sequence[Sequence[int]] | None = None,
) -> Verdict:
    """Exactly one of the verdicts; the first whose condition holds.

    Superiority and equivalence are both shown by exact sign-flip tests and by Student's t together:
    the difference by the two-sided test and its interval; that it is smaller than the smallest
    difference of interest m by one-sided tests of d + m > 0 and of m − d > 0 and the interval of
    confidence 1 − 2·alpha inside ±m (Lakens 2017). What a test has shown at a look stays shown. Of
    several splits, all are Student's t of `two_way`.

    Args:
        difference: The difference in the primary metric, with its p-value adjusted over the
            regimes and its interval simultaneous over them.
        rule: The decision rule that the study declared.
        comparisons: How many regimes the study compares with the baseline.
        guards: What the pairs say about the metrics that must not suffer.
        undefined: The seeds of the pairs for which the primary metric has no value.
        smallest_p: The smallest adjusted p that is possible; as if all regimes had as many pairs
            if it is not given.
        looks: The seeds that each look so far has seen; empty before the first declared look, when
            nothing is decided; None for one look at all pairs.
    """
    if looks is None:
        looks = (tuple(difference.by_seed),)
    least = attainable.smallest_p(difference.n, comparisons) if smallest_p is None else smallest_p
    spending = [newly / comparisons for newly in rule.spending[: len(looks)]]
    found = _Tests()
    if are_crossed(difference.by_seed):
        found = _tested_crossed(difference, rule, spending[-1])
    elif difference.n > 1 and looks:
        found = _tested(difference, rule, looks, spending)
    worst, best = sorted(GAIN[rule.direction] * end for end in (difference.low, difference.high))
    return Verdict(
        _kind(found.shown, found.equivalent, worst, best, {guarded.kind for guarded in guards}),
        difference,
        comparisons,
        least,
        found.interval,
        1 - 2 * spending[-1] if found.interval else math.nan,
        found.one_sided,
        tuple(guards),
        beyond=found.shown and worst > rule.smallest_difference,
        undefined=undefined,
        look=len(looks) if rule.looks else 0,
        test=found.two_sided,
    )


def _kind(shown: bool, equivalent: bool, worst: float, best: float, guards: set[str]) -> Kind:
    """The verdict: `worst` and `best` are the ends of the interval, above zero for the better."""
    if shown and worst > 0:
        if equivalent:
            return "better, by less than matters"
        if "harm" in guards:
            return "mixed"
        return "better, harm not excluded" if "harm not excluded" in guards else "better"
    if shown and best < 0:
        return "worse, by less than matters" if equivalent else "worse"
    return "no difference that matters" if equivalent else "not shown"


@dataclass(frozen=True)
class _Tests:
    """What the tests of a difference say so far: those of the last look, with the t interval that
    belongs to those of equivalence, and what is shown at this look or at an earlier one.
    """

    two_sided: Look | None = None
    one_sided: tuple[Look, Look] | None = None
    interval: tuple[float, float] | None = None
    shown: bool = False
    equivalent: bool = False


def _tested(
    difference: Difference, rule: Decision, looks: Sequence[Sequence[int]], spending: list[float]
) -> _Tests:
    values, sizes = in_order(difference.by_seed, looks)
    smallest = rule.smallest_difference
    tests = sign_flip_looks(values, sizes, spending, two_sided=True)
    above, below = (
        sign_flip_looks(shifted, sizes, spending, two_sided=False)
        for shifted in (smallest + values, smallest - values)
    )
    low, high = statistics.t_interval(values, 1 - 2 * spending[-1])
    inside = -smallest < low and high < smallest
    return _Tests(
        tests[-1],
        (above[-1], below[-1]),
        (low, high),
        shown=_significant(tests) if rule.looks else difference.p_holm <= rule.alpha,
        equivalent=inside and _significant(above) and _significant(below),
    )


def _tested_crossed(difference: Difference, rule: Decision, alpha: float) -> _Tests:
    """The same of several splits: all tests are those of Student's t that belong to `two_way`.

    A sign-flip test would take pairs of one seed, or of one split, for independent of each other.
    """
    found, smallest = two_way(layout(difference.by_seed)), rule.smallest_difference
    if not found.freedom:  # one seed, or one split
        return _Tests()
    opposite = two_way(-layout(difference.by_seed))
    above, below = (Look(of.above(-smallest), alpha) for of in (found, opposite))
    low, high = statistics.interval(difference.by_seed, 1 - 2 * alpha)
    return _Tests(
        Look(found.p, alpha),
        (above, below),
        (low, high),
        shown=difference.p_holm <= rule.alpha,
        equivalent=above.significant and below.significant,
    )


def _significant(looks: Sequence[Look]) -> bool:
    """What a test has shown at a look stays shown."""
    return any(look.significant for look in looks)
