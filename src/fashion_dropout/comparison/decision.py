"""The decision rule of a study, and which of the four verdicts it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from fashion_dropout.comparison.statistics import Difference, Direction, seeds_for

_POWER = 0.8


@dataclass(frozen=True)
class Rule:
    """How a study decides, declared before it runs.

    Attributes:
        primary: The metric that the verdict rests on.
        direction: Whether a ``lower`` or a ``higher`` value of it is better.
        smallest_difference: Differences within ± this do not matter to anyone; in the metric's
            unit, > 0.
        alpha: The p-value at which a difference counts as shown.
        baseline: The regime against which the others are compared.
    """

    primary: str
    direction: Direction
    smallest_difference: float
    alpha: float
    baseline: str


Kind = Literal["better", "worse", "no difference that matters", "not shown"]


@dataclass(frozen=True)
class Verdict:
    """What a study comes to for one regime against the baseline.

    Attributes:
        kind: ``better`` and ``worse`` are said of the regime.
        difference: Of the primary metric.
        seeds_needed: For ``not shown``: about how many pairs it would take; else None.
    """

    kind: Kind
    difference: Difference
    seeds_needed: int | None = None


def decide(difference: Difference, rule: Rule) -> Verdict:
    """Exactly one of the four verdicts of PROTOCOL.

    With more than two regimes the p-value is the one that is adjusted over the regimes.

    Args:
        difference: Of the primary metric.
        rule: What the study declared.
    """
    if difference.n >= 2 and difference.p_holm <= rule.alpha:
        if difference.low > 0:
            return Verdict("better" if rule.direction == "higher" else "worse", difference)
        if difference.high < 0:
            return Verdict("worse" if rule.direction == "higher" else "better", difference)
    inside = rule.smallest_difference
    if -inside < difference.low and difference.high < inside:
        return Verdict("no difference that matters", difference)
    return Verdict("not shown", difference, seeds_needed(difference, rule))


def seeds_needed(difference: Difference, rule: Rule) -> int | None:
    """About how many pairs would show a difference of the smallest size of interest.

    From the variance seen: the smallest n ≥ ((t(1 − α/2) + t(0.8)) · s / δ)² with n − 1 degrees of
    freedom, the usual approximation for a paired t-test of power 0.8, and at least as many as the
    sign-flip test needs for α. None with fewer than two pairs.
    """
    if difference.n < 2:
        return None
    deviation = float(np.std(list(difference.by_seed.values()), ddof=1))
    needed = max(3, seeds_for(rule.alpha))
    for _ in range(200):
        quantiles = (stats.t.ppf(q, needed - 1) for q in (1 - rule.alpha / 2, _POWER))
        wanted = math.ceil((float(sum(quantiles)) * deviation / rule.smallest_difference) ** 2)
        if wanted <= needed:
            return needed
        needed = wanted if wanted < needed * 2 else needed * 2
    return needed
