"""A comparison in tables and as metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fashion_dropout.comparison import attainable, statistics
from fashion_dropout.comparison.figures import mean_text, p_text, with_interval
from fashion_dropout.comparison.pairing import paired_seeds
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.config import metrics
from fashion_dropout.config.cell import are_crossed, pair_text
from fashion_dropout.config.metrics import described, of_pairs
from fashion_dropout.texts import Count, Language, difference_label, regime_label, texts

FIRST = "gap/loss"
"""The metric at the top of a table, if it is compared: it describes what the question is about."""

_FIGURES = (
    *("mean", "low", "high", "confidence"),
    *("bca_low", "bca_high", "p", "p_holm", "prob_better"),
)
"""The figures of a difference that are recorded, as its attributes are called."""


def difference_metrics(comparison: Comparison) -> dict[str, float]:
    """Every finite figure under the name that MLflow shows: ``diff/<metric>/mean`` and so on.

    With more than one regime beside the baseline: ``diff/<regime>/<metric>/mean``.
    """
    several = len(comparison.verdicts) > 1

    def place(of: Difference) -> str:
        return f"{of.regime}/{of.metric}" if several else of.metric

    found: dict[str, float] = {}
    for difference in comparison.differences:
        adjusted = several or difference.metric != comparison.rule.primary
        for name in _FIGURES:
            if name != "confidence" and (adjusted or name != "p_holm"):
                found[f"diff/{place(difference)}/{name}"] = getattr(difference, name)
    for verdict in comparison.verdicts:
        if verdict.adjusted is not None:
            found[f"diff/{place(verdict.difference)}/mean_adjusted"] = verdict.adjusted
        for guarded in verdict.guards:
            harm = f"guard/{place(guarded.difference)}/harm"
            found |= {f"{harm}_low": guarded.low, f"{harm}_high": guarded.high}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def differences_table(
    comparison: Comparison, images: Mapping[tuple[str, str], tuple[float, float]]
) -> pd.DataFrame:
    """A row for each regime and metric, with every value and the difference of every seed.

    `images` is (regime, metric of the test set) → its interval for images like these.
    """
    rows = []
    for difference in comparison.differences:
        place = difference.regime, difference.metric
        low, high = images.get(place, (math.nan, math.nan))
        rows.append(
            {
                "regime": difference.regime,
                "baseline": comparison.rule.baseline,
                "metric": difference.metric,
                "n": difference.n,
                **{name: getattr(difference, name) for name in _FIGURES},
                "images_low": low,
                "images_high": high,
                **{f"seed {pair_text(of)}": value for of, value in difference.by_seed.items()},
            }
        )
    return pd.DataFrame(rows)


def summary_table(
    runs: pd.DataFrame, regimes: Sequence[str], comparison: Comparison, language: Language = "en"
) -> pd.DataFrame:
    """What a person reads first: for each metric, mean and interval of each regime and difference.

    The regimes are all of them, the baseline included.

    Returns:
        Text columns, `FIRST` at the top. Of one regime beside the baseline a row for each metric:
        both regimes, their difference, its p and its p after Holm's adjustment. Of more a row for
        each metric and regime: its mean, then the same of its difference from the baseline.
    """
    guards = [of.difference for verdict in comparison.verdicts for of in verdict.guards]
    by_place = {(of.regime, of.metric): of for of in (*guards, *comparison.differences)}
    words, base = texts(language)["short"], comparison.rule.baseline
    means = intervals(runs, regimes, comparison, [of.metric for of in guards])

    def mean(metric: str, regime: str) -> str:
        shown = means[metric].get(regime)
        return mean_text(metric, *shown) if shown else "–"

    def compared(metric: str, regime: str, label: str) -> dict[str, str]:
        if (difference := by_place.get((regime, metric))) is None:
            return dict.fromkeys((label, words["p"], words["holm"]), "–")
        rule, several = comparison.rule, len(comparison.verdicts) > 1
        adjusted = metric in rule.secondary or (metric == rule.primary and several)
        pairs = len(paired_seeds(runs, regime, base))
        some = f", n = {difference.n}" if 0 < difference.n < pairs else ""  # some have no value
        return {
            label: with_interval(difference) + some,
            words["p"]: p_text(difference.p if difference.n else math.nan),
            words["holm"]: p_text(difference.p_holm if difference.n and adjusted else math.nan),
        }

    rows: list[dict[str, str]] = []
    for metric in sorted(means, key=lambda name: name != FIRST):
        if len(comparison.verdicts) == 1:
            (regime,) = (verdict.difference.regime for verdict in comparison.verdicts)
            both = {regime_label(of, language): mean(metric, of) for of in regimes}
            label = difference_label(regime, base, language)
            rows.append({words["metric"]: metric, **both, **compared(metric, regime, label)})
            continue
        label = words["from"].format(baseline=regime_label(base, language))
        rows += [
            {
                words["metric"]: metric,
                words["regime"]: regime_label(regime, language),
                words["mean"]: mean(metric, regime),
                **compared(metric, regime, label),
            }
            for regime in regimes
        ]
    return pd.DataFrame(rows)


def deciding_rows(table: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """Of the table of many regimes, which has a row for each metric and regime, the metrics that
    decide: what is short enough for a terminal. Other tables as they are.
    """
    rule = comparison.rule
    deciding = table[table.columns[0]].isin([rule.primary, *rule.guards])
    return table[deciding] if len(comparison.verdicts) > 1 else table


def table_notes(comparison: Comparison, language: Language = "en") -> list[str]:
    """What a reader of the table must know: what is in brackets, what decides, what p can be."""
    words, rule = texts(language)["notes"], comparison.rule
    tested = [difference for difference in comparison.secondary if not described(difference.metric)]
    primary = [verdict.difference for verdict in comparison.verdicts]
    pairs = max((difference.n for difference in (*primary, *tested)), default=0)
    least = attainable.smallest_p(pairs)
    least_adjusted = attainable.smallest_p(pairs, max(1, len(tested)))
    known = {
        "primary": rule.primary,
        "guards": ", ".join(rule.guards),
        "comparisons": Count(len(tested)),
        "regimes": len(primary),
        "n": pairs,
        "least": least,
        "least_adjusted": least_adjusted,
    }
    crossed = any(
        are_crossed([*verdict.difference.by_seed, *verdict.undefined])
        for verdict in comparison.verdicts
    )
    splits, several = "_splits" * crossed, "_several" * (len(primary) > 1)
    notes = [f"interval{splits}", f"decides{splits}{several}"]
    by_signs = pairs > 1 and not crossed
    if by_signs and least > rule.alpha:
        notes.append("least")
    elif by_signs and least_adjusted > rule.alpha:
        notes.append("least_several" if len(primary) > 1 else "least_adjusted")
    if early := [verdict for verdict in comparison.verdicts if verdict.adjusted is not None]:
        notes.append("went_on" if all(verdict.went_on for verdict in early) else "stopped")
    if rule.guards:
        notes.append("guarded")
    if any(described(difference.metric) for difference in comparison.secondary):
        notes.append("bounded")
    return [str(words[note].format(**known)) for note in notes]


def intervals(
    runs: pd.DataFrame, regimes: Sequence[str], comparison: Comparison, more: Sequence[str] = ()
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Metric → regime → mean over its runs with the ends of the 95 % interval.

    The metrics are in the order of the rule, and then `more`. A regime that has no value of a
    metric is left out.
    """
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for metric in dict.fromkeys([*(of.metric for of in comparison.differences), *more]):
        tables = {regime: table_of(metric, regime, runs, comparison) for regime in regimes}
        found[metric] = {
            regime: mean_interval(table, regime, metric)
            for regime, table in tables.items()
            if metric in table
        }
    return found


def mean_interval(table: pd.DataFrame, regime: str, metric: str) -> tuple[float, float, float]:
    """Mean and interval of a regime, cut where no value can lie; none for a `described` one."""
    mean, low, high = statistics.mean_interval(table, regime, metric)
    if described(metric):
        return mean, math.nan, math.nan
    smallest, largest = metrics.of(metric).smallest, metrics.of(metric).largest
    if table[metric].dropna().between(smallest, largest).all():  # else another one of that name
        low, high = (float(end) for end in np.clip([low, high], smallest, largest))
    return mean, low, high


def table_of(metric: str, regime: str, runs: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The table that holds a metric of a regime.

    The baseline's values of a metric of pairs depend on the regime that it is paired with: they
    are shown if there is only one.
    """
    if not of_pairs(metric):
        return runs
    if regime in comparison.equal_fit:
        return comparison.equal_fit[regime]
    tables = list(comparison.equal_fit.values())
    return tables[0] if len(tables) == 1 else pd.DataFrame(columns=["regime"])


def values_of_runs(runs: pd.DataFrame, comparison: Comparison) -> dict[tuple[str, int], float]:
    """(regime, seed) → the value of the primary metric, for every run that has one."""
    metric = comparison.rule.primary
    found = {}
    for regime in map(str, runs["regime"].unique()):
        table = table_of(metric, regime, runs, comparison)
        if metric in table:
            own = table[table["regime"] == regime]
            for seed, value in zip(own["seed"], own[metric], strict=True):
                found[regime, int(seed)] = float(value)
    return {place: value for place, value in found.items() if math.isfinite(value)}
