"""From a table of runs to differences and verdicts, by the rule that the study declared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.equal_fit import at_equal_fit
from fashion_dropout.comparison.guards import Guarded, guard
from fashion_dropout.comparison.pairing import paired_seeds
from fashion_dropout.comparison.statistics import Difference, seeds_for
from fashion_dropout.config.decision import METRICS, PAIR_METRICS, Decision

_POWER = 0.8

Kind = Literal[
    "better",
    "mixed",
    "better, harm not excluded",
    "worse",
    "no difference that matters",
    "not shown",
]


@dataclass(frozen=True)
class Verdict:
    """What a study concludes for one regime against the baseline.

    Attributes:
        kind: ``better`` and ``worse`` describe the regime, not the baseline. ``mixed``: better in
            the primary metric, but a guard is harmed. ``better, harm not excluded``: better in the
            primary metric, and no guard is harmed, but not all are shown to be unharmed.
        difference: The difference in the primary metric. Its interval has the confidence
            1 − alpha, simultaneous over the regimes by Bonferroni's inequality, which holds
            whatever the regimes have in common.
        comparisons: How many regimes the study compares with the baseline. Holm's method adjusts
            the p-values for this number.
        smallest_p: The smallest adjusted p that so many pairs, of this regime and of the others,
            can give.
        seeds_needed: For ``not shown``: about how many pairs would show a difference of the
            smallest size of interest. None for the other verdicts and with fewer than two pairs.
        equivalence: The interval that decides about equivalence: two one-sided tests at alpha
            (Schuirmann 1987), as the interval of confidence 1 − 2·alpha, simultaneous likewise.
            None with fewer than two pairs.
        guards: The metrics that must not suffer, in the order of the rule.
        beyond: Whether the whole interval is better than the baseline by more than the smallest
            difference of interest.
        undefined: The seeds of the pairs for which the primary metric has no value.
    """

    kind: Kind
    difference: Difference
    comparisons: int = 1
    smallest_p: float = 1.0
    seeds_needed: int | None = None
    equivalence: tuple[float, float] | None = None
    guards: tuple[Guarded, ...] = ()
    beyond: bool = False
    undefined: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """All differences and verdicts of a study.

    Attributes:
        rule: The decision rule that the study declared.
        verdicts: One for each regime other than the baseline, in the order of the study.
        secondary: The differences in all other metrics. Their p-values are adjusted as one family;
            their intervals have the confidence 1 − alpha, each on its own.
        equal_fit: Regime → both runs of its pairs at equal fit; see `equal_fit.at_equal_fit`.
    """

    rule: Decision
    verdicts: tuple[Verdict, ...]
    secondary: tuple[Difference, ...]
    equal_fit: Mapping[str, pd.DataFrame]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The differences in the primary metric, then those in all other metrics."""
        return (*(verdict.difference for verdict in self.verdicts), *self.secondary)


def compare_regimes(
    runs: pd.DataFrame, histories: pd.DataFrame, regimes: Sequence[str], rule: Decision
) -> Comparison:
    """Compare each regime with the baseline.

    Args:
        runs: A table of runs (see `statistics`).
        histories: A row for each run and epoch; see `equal_fit.at_equal_fit`.
        regimes: The regimes other than the baseline.
        rule: The decision rule that the study declared.
    """
    equal_fit = {regime: at_equal_fit(histories, regime, rule.baseline) for regime in regimes}

    def difference(metric: str, regime: str, confidence: float) -> Difference:
        table = equal_fit[regime] if metric in PAIR_METRICS else runs
        return statistics.compare(
            table if metric in table else table.assign(**{metric: math.nan}),
            metric,
            regime=regime,
            baseline=rule.baseline,
            direction=METRICS[metric],
            confidence=confidence,
        )

    each = 1 - rule.alpha / len(regimes)
    primary = statistics.with_holm(difference(rule.primary, regime, each) for regime in regimes)
    others = [
        difference(metric, regime, 1 - rule.alpha)
        for metric in rule.secondary
        for regime in regimes
    ]
    verdicts = []
    # Holm's adjustment is monotone: no p of the family can be adjusted to less than this.
    least = statistics.holm([statistics.smallest_p(one.n) for one in primary])
    for one, smallest_p in zip(primary, least, strict=True):
        guards = [
            guard(difference(metric, one.regime, 1 - rule.alpha), margin, rule.alpha)
            for metric, margin in rule.guards.items()
        ]
        pairs = paired_seeds(runs, one.regime, rule.baseline)
        undefined = tuple(sorted(pairs - one.by_seed.keys()))
        verdicts.append(decide(one, rule, len(primary), guards, undefined, smallest_p))
    return Comparison(rule, tuple(verdicts), tuple(statistics.with_holm(others)), equal_fit)


def decide(
    difference: Difference,
    rule: Decision,
    comparisons: int = 1,
    guards: Sequence[Guarded] = (),
    undefined: tuple[int, ...] = (),
    smallest_p: float | None = None,
) -> Verdict:
    """Exactly one of the verdicts; the first whose condition holds.

    Args:
        difference: The difference in the primary metric, with its p-value adjusted over the
            regimes and its interval simultaneous over them.
        rule: The decision rule that the study declared.
        comparisons: How many regimes the study compares with the baseline.
        guards: What the pairs say about the metrics that must not suffer.
        undefined: The seeds of the pairs for which the primary metric has no value.
        smallest_p: The smallest adjusted p that is possible; as if all regimes had as many pairs
            if it is not given.
    """
    least = statistics.smallest_p(difference.n, comparisons) if smallest_p is None else smallest_p
    values = np.array(list(difference.by_seed.values()), dtype=float)
    equivalence = None
    if difference.n >= 2:
        equivalence = statistics.t_interval(values, 1 - 2 * rule.alpha / comparisons)
    sign = 1 if rule.direction == "higher" else -1
    worst, best = sorted((sign * difference.low, sign * difference.high))
    shown = difference.n >= 2 and difference.p_holm <= rule.alpha
    smallest = rule.smallest_difference

    def verdict(kind: Kind, needed: int | None = None) -> Verdict:
        return Verdict(
            kind,
            difference,
            comparisons,
            least,
            needed,
            equivalence,
            tuple(guards),
            beyond=shown and worst > smallest,
            undefined=undefined,
        )

    if shown and worst > 0:
        harms = {one.kind for one in guards}
        if "harm" in harms:
            return verdict("mixed")
        return verdict("better, harm not excluded" if "harm not excluded" in harms else "better")
    if shown and best < 0:
        return verdict("worse")
    if equivalence and -smallest < equivalence[0] and equivalence[1] < smallest:
        return verdict("no difference that matters")
    return verdict("not shown", seeds_needed(difference, rule, comparisons))


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
