"""A comparison in words, in tables and as metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.verdict import Comparison, Verdict
from fashion_dropout.config.decision import Decision
from fashion_dropout.texts import Language, texts


def sentence(verdict: Verdict, rule: Decision, language: Language = "en") -> str:
    """One verdict in words, with the figures that it rests on."""
    words = texts(language)["verdict"]
    difference = verdict.difference
    least = statistics.smallest_p(difference.n, verdict.comparisons)
    known = {
        "regime": difference.regime,
        "baseline": rule.baseline,
        "metric": rule.primary,
        "mean": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p_holm,
        "n": difference.n,
        "smallest": rule.smallest_difference,
        "least": least,
        "seeds": verdict.seeds_needed,
    }
    if not difference.n:
        return str(words["no_pair"].format(**known))
    figures = words["figures" if difference.n > 1 else "one_pair"].format(**known)
    said = words[verdict.kind].format(figures=figures, **known)
    if verdict.kind == "not shown":
        if least > rule.alpha:
            said += words["too_few"].format(**known)
        if verdict.seeds_needed and verdict.seeds_needed > difference.n:
            said += words["seeds_needed"].format(**known)
    return str(said)


def kernel_warning(mixed_pairs: Sequence[int] | None, language: Language = "en") -> str | None:
    """What a reader must know of runs that were computed with different kernels; None if nothing.

    Args:
        mixed_pairs: As `pairing.mixed_pairs` gives it.
        language: The language of the sentence.
    """
    if mixed_pairs is None:
        return None
    words = texts(language)["kernels"]
    if not mixed_pairs:
        return str(words["between_pairs"])
    return str(words["within_pairs"].format(seeds=", ".join(map(str, mixed_pairs))))


def difference_metrics(comparison: Comparison) -> dict[str, float]:
    """Every finite figure under the name that MLflow shows: ``diff/<metric>/mean`` and so on.

    With more than one regime beside the baseline: ``diff/<regime>/<metric>/mean``.
    """
    several = len(comparison.verdicts) > 1
    found = {}
    for difference in comparison.differences:
        place = f"{difference.regime}/{difference.metric}" if several else difference.metric
        figures = {
            "mean": difference.mean,
            "low": difference.low,
            "high": difference.high,
            "bca_low": difference.bca_low,
            "bca_high": difference.bca_high,
            "p": difference.p,
            "prob_better": difference.prob_better,
        }
        if several or difference.metric != comparison.rule.primary:
            figures["p_holm"] = difference.p_holm
        for name, value in figures.items():
            if math.isfinite(value):
                found[f"diff/{place}/{name}"] = value
    return found


def differences_table(comparison: Comparison) -> pd.DataFrame:
    """A row for each regime and metric, with every figure and the difference of every seed."""
    return pd.DataFrame(
        [
            {
                "regime": one.regime,
                "baseline": comparison.rule.baseline,
                "metric": one.metric,
                "n": one.n,
                "mean": one.mean,
                "low": one.low,
                "high": one.high,
                "bca_low": one.bca_low,
                "bca_high": one.bca_high,
                "p": one.p,
                "p_holm": one.p_holm,
                "prob_better": one.prob_better,
                **{f"seed {seed}": value for seed, value in one.by_seed.items()},
            }
            for one in comparison.differences
        ]
    )


def summary_table(
    runs: pd.DataFrame, regimes: Sequence[str], comparison: Comparison
) -> pd.DataFrame:
    """What a person reads first: for each metric, mean and interval of each regime and difference.

    Args:
        runs: A table of runs.
        regimes: All of them, the baseline included.
        comparison: The comparison of these runs.

    Returns:
        A row for each metric, text columns: one for each regime, then one for each difference.
    """
    metrics = list(dict.fromkeys(one.metric for one in comparison.differences))
    by_place = {(one.regime, one.metric): one for one in comparison.differences}
    rows = []
    for metric in metrics:
        row = {"metric": metric}
        for regime in regimes:
            row[regime] = (
                _interval(*statistics.mean_interval(runs, regime, metric))
                if metric in runs
                else "–"
            )
        for verdict in comparison.verdicts:
            one = by_place[verdict.difference.regime, metric]
            row[f"{one.regime} − {comparison.rule.baseline}"] = (
                f"{_interval(one.mean, one.low, one.high, sign='+')} p {one.p_holm:.2g}"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(mean: float, low: float, high: float, sign: str = "") -> str:
    if not math.isfinite(mean):
        return "–"
    if not math.isfinite(low):
        return f"{mean:{sign}.4f}"
    return f"{mean:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"
