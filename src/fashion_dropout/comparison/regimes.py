"""From a table of runs to differences and verdicts, by the rule that the study declared."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fashion_dropout.comparison import attainable, statistics
from fashion_dropout.comparison.early import bias_adjusted
from fashion_dropout.comparison.equal_fit import at_equal_fit
from fashion_dropout.comparison.guards import guard
from fashion_dropout.comparison.pairing import paired_seeds
from fashion_dropout.comparison.sequential import in_order
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.verdict import DECIDED, Verdict, decide
from fashion_dropout.config.cell import are_crossed
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import described, of_pairs


@dataclass(frozen=True)
class Comparison:
    """All differences and verdicts of a study.

    Attributes:
        rule: The decision rule that the study declared.
        verdicts: One for each regime other than the baseline, in the order of the study.
        secondary: The differences in all other metrics. Their p-values are adjusted as one family;
            their intervals have the confidence 1 − alpha, each on its own. Those that are
            `described` have neither.
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
    runs: pd.DataFrame,
    histories: pd.DataFrame,
    regimes: Sequence[str],
    rule: Decision,
    looks: Sequence[Sequence[int]] = (),
) -> Comparison:
    """Compare each regime with the baseline.

    Args:
        runs: A table of runs (see `statistics`).
        histories: A row for each run and epoch; see `equal_fit.at_equal_fit`.
        regimes: The regimes other than the baseline.
        rule: The decision rule that the study declared.
        looks: The seeds that each look so far has seen, those of the earlier ones among them.
    """
    equal_fit = {regime: at_equal_fit(histories, regime, rule.baseline) for regime in regimes}
    verdicts = [
        _adjusted(verdict, rule, looks, len(regimes))
        for verdict in verdicts_of(runs, equal_fit, rule, looks)
    ]
    others = [
        _difference(runs, equal_fit, metric, regime, rule, 1 - rule.alpha)
        for metric in rule.secondary
        for regime in regimes
    ]
    tested = iter(statistics.with_holm(of for of in others if not described(of.metric)))
    secondary = [_described(of) if described(of.metric) else next(tested) for of in others]
    return Comparison(rule, tuple(verdicts), tuple(secondary), equal_fit)


def verdicts_of(
    runs: pd.DataFrame,
    equal_fit: Mapping[str, pd.DataFrame],
    rule: Decision,
    looks: Sequence[Sequence[int]] = (),
) -> list[Verdict]:
    """The verdict for each regime: that of the first look at which it is decided, else the last.

    `equal_fit` is regime → its pairs at equal fit, of every regime that is compared; the other
    arguments are as for `compare_regimes`.
    """
    everything = tuple(sorted(map(int, runs["seed"].unique())))
    if not rule.looks:
        return _verdicts_at(runs, equal_fit, rule, (everything,))
    found: dict[str, Verdict] = {}
    for number in range(len(looks), 0, -1):  # an earlier decision takes the place of a later one
        seen = tuple(map(tuple, looks[:number]))
        for verdict in _verdicts_at(runs, equal_fit, rule, seen):
            if verdict.kind in DECIDED or number == len(looks):
                found[verdict.difference.regime] = verdict
    return list(found.values()) or _verdicts_at(runs, equal_fit, rule, ())


def _adjusted(
    verdict: Verdict, rule: Decision, looks: Sequence[Sequence[int]], comparisons: int
) -> Verdict:
    """The verdict, with the estimate that belongs beside the plain one if it ended the study."""
    if verdict.kind not in DECIDED or not 0 < verdict.look < len(rule.looks):
        return verdict
    values, sizes = in_order(verdict.difference.by_seed, looks[: verdict.look])
    adjusted = bias_adjusted(values, sizes, rule, comparisons)
    return replace(verdict, adjusted=adjusted, went_on=verdict.look < len(looks))


def _described(difference: Difference) -> Difference:
    """The difference without interval and test."""
    no = math.nan
    return replace(difference, low=no, high=no, bca_low=no, bca_high=no, p=no, p_holm=no)


def _difference(
    runs: pd.DataFrame,
    equal_fit: Mapping[str, pd.DataFrame],
    metric: str,
    regime: str,
    rule: Decision,
    confidence: float,
) -> Difference:
    table = equal_fit[regime] if of_pairs(metric) else runs
    return statistics.compare(
        table if metric in table else table.assign(**{metric: math.nan}),
        metric,
        regime=regime,
        baseline=rule.baseline,
        direction=rule.direction_of(metric),
        confidence=confidence,
    )


def _verdicts_at(
    runs: pd.DataFrame,
    equal_fit: Mapping[str, pd.DataFrame],
    rule: Decision,
    looks: tuple[tuple[int, ...], ...],
) -> list[Verdict]:
    """The verdict for each regime at the last of `looks`."""
    if looks:
        runs = runs[runs["seed"].isin(looks[-1])]
        equal_fit = {
            regime: table[table["seed"].isin(looks[-1])] for regime, table in equal_fit.items()
        }
    each = 1 - rule.alpha / len(equal_fit)
    primary = statistics.with_holm(
        _difference(runs, equal_fit, rule.primary, regime, rule, each) for regime in equal_fit
    )
    newly = rule.spending[len(looks) - 1] if looks else 0.0
    verdicts = []
    # Holm's adjustment is monotone: no p of the family can be adjusted to less than this, which is
    # 0 of several splits, where any p is possible.
    least = statistics.holm(
        [0.0 if are_crossed(of.by_seed) else attainable.smallest_p(of.n) for of in primary]
    )
    for difference, smallest_p in zip(primary, least, strict=True):
        guards = []
        for metric, margin in rule.guards.items():
            direction = rule.direction_of(metric)
            assert direction, "a guard is on a metric of which it is known what is better"
            own = _difference(runs, equal_fit, metric, difference.regime, rule, 1 - rule.alpha)
            guards.append(guard(own, margin, newly or rule.alpha, direction))
        pairs = paired_seeds(runs, difference.regime, rule.baseline)
        undefined = tuple(sorted(pairs - difference.by_seed.keys()))
        verdict = decide(difference, rule, len(primary), guards, undefined, smallest_p, looks)
        verdicts.append(verdict)
    return verdicts


@dataclass(frozen=True)
class Looks:
    """The looks that a study has taken.

    Attributes:
        seen: The seeds that each look has seen, those of the earlier ones among them.
        over: Whether no further look comes: the last one has decided, or was the last declared.
    """

    seen: tuple[tuple[int, ...], ...] = ()
    over: bool = True


def looks_taken(
    runs: pd.DataFrame,
    histories: pd.DataFrame,
    others: Sequence[str],
    rule: Decision,
    seeds: Sequence[int],
    ended: Collection[int],
) -> Looks:
    """The looks up to the first that decides for every regime, as far as their pairs have ended.

    They follow from the declared order of the seeds and from the runs alone: whoever asks, and
    whatever else has been run, they are the same ones. Cells of the `ended` seeds have all finished
    or failed; the other arguments are as for `compare_regimes`.
    """
    seen: list[tuple[int, ...]] = []
    if not rule.looks:
        return Looks()
    equal_fit = {regime: at_equal_fit(histories, regime, rule.baseline) for regime in others}
    for pairs in rule.looks:
        first = tuple(seeds[:pairs])
        if not set(first) <= set(ended):
            return Looks(tuple(seen), over=False)
        seen.append(first)
        verdicts = verdicts_of(runs, equal_fit, rule, seen)
        if all(verdict.kind in DECIDED for verdict in verdicts):
            break
    return Looks(tuple(seen))
