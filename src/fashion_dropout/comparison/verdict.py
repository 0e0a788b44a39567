"""From a table of runs to differences and verdicts, by the rule that the study declared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.statistics import Difference, seeds_for
from fashion_dropout.config.decision import METRICS, Decision, Direction

_POWER = 0.8

Kind = Literal["better", "worse", "no difference that matters", "not shown"]


@dataclass(frozen=True)
class Verdict:
    """What a study concludes for one regime against the baseline.

    Attributes:
        kind: ``better`` and ``worse`` describe the regime, not the baseline.
        difference: The difference in the primary metric.
        comparisons: How many regimes the study compares with the baseline. Holm's method adjusts
            the p-values for this number.
        seeds_needed: For ``not shown``: about how many pairs would show a difference of the
            smallest size of interest. None for the other verdicts and with fewer than two pairs.
    """

    kind: Kind
    difference: Difference
    comparisons: int = 1
    seeds_needed: int | None = None


@dataclass(frozen=True)
class Comparison:
    """All differences and verdicts of a study.

    Attributes:
        rule: The decision rule that the study declared.
        verdicts: One for each regime other than the baseline, in the order of the study.
        secondary: The differences in all other metrics. Their p-values are adjusted as one family.
    """

    rule: Decision
    verdicts: tuple[Verdict, ...]
    secondary: tuple[Difference, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The differences in the primary metric, then those in all other metrics."""
        return (*(verdict.difference for verdict in self.verdicts), *self.secondary)


def compare_regimes(runs: pd.DataFrame, regimes: Sequence[str], rule: Decision) -> Comparison:
    """Compare each regime with the baseline.

    Args:
        runs: A table of runs (see `statistics`).
        regimes: The regimes other than the baseline.
        rule: The decision rule that the study declared.
    """

    def differences(metric: str) -> list[Difference]:
        table = runs if metric in runs else runs.assign(**{metric: math.nan})
        direction: Direction = METRICS[metric]
        return [
            statistics.compare(
                table, metric, regime=regime, baseline=rule.baseline, direction=direction
            )
            for regime in regimes
        ]

    primary = statistics.with_holm(differences(rule.primary))
    others = [one for metric in rule.secondary for one in differences(metric)]
    return Comparison(
        rule=rule,
        verdicts=tuple(decide(difference, rule, len(primary)) for difference in primary),
        secondary=tuple(statistics.with_holm(others)),
    )


def decide(difference: Difference, rule: Decision, comparisons: int = 1) -> Verdict:
    """Exactly one of the four verdicts; the first whose condition holds.

    Args:
        difference: The difference in the primary metric, with its p-value adjusted over the
            regimes.
        rule: The decision rule that the study declared.
        comparisons: How many regimes the study compares with the baseline.
    """
    if difference.n >= 2 and difference.p_holm <= rule.alpha:
        if difference.low > 0:
            kind: Kind = "better" if rule.direction == "higher" else "worse"
            return Verdict(kind, difference, comparisons)
        if difference.high < 0:
            kind = "worse" if rule.direction == "higher" else "better"
            return Verdict(kind, difference, comparisons)
    inside = rule.smallest_difference
    if -inside < difference.low and difference.high < inside:
        return Verdict("no difference that matters", difference, comparisons)
    needed = seeds_needed(difference, rule, comparisons)
    return Verdict("not shown", difference, comparisons, needed)


def seeds_needed(difference: Difference, rule: Decision, comparisons: int = 1) -> int | None:
    """About how many pairs would show a difference of the smallest size of interest.

    The smallest n ≥ ((t(1 − α/2k) + t(0.8)) · s / δ)² with n − 1 degrees of freedom: the usual
    approximation for a paired t-test of power 0.8, from the standard deviation s of the pairs seen
    and the smallest difference of interest δ. α is divided by the k comparisons, as Holm's method
    does for the smallest of k p-values. The result is at least what the sign-flip test needs for α.

    Args:
        difference: The difference in the primary metric.
        rule: The decision rule that the study declared.
        comparisons: How many regimes the study compares with the baseline.

    Returns:
        A number of pairs; None with fewer than two pairs.
    """
    if difference.n < 2:
        return None
    deviation = float(np.std(list(difference.by_seed.values()), ddof=1))
    alpha = rule.alpha / comparisons
    needed = max(3, seeds_for(rule.alpha, comparisons))
    for _ in range(200):
        quantiles = (stats.t.ppf(q, needed - 1) for q in (1 - alpha / 2, _POWER))
        wanted = math.ceil((float(sum(quantiles)) * deviation / rule.smallest_difference) ** 2)
        if wanted <= needed:
            return needed
        needed = wanted if wanted < needed * 2 else needed * 2
    return needed
