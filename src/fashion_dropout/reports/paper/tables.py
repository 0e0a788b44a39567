"""The values of a study as tidy tables, one observation a row, and as tables for a reader."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from fashion_dropout.comparison.detail import with_recalibrated
from fashion_dropout.comparison.figures import mean_text, number, p_text
from fashion_dropout.comparison.record import RECALIBRATED, StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.splits import with_splits
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.summary import FIRST, differences_table, intervals
from fashion_dropout.config import metrics
from fashion_dropout.texts import Language, regime_label, texts

_METRICS = (*metrics.METRICS, "temperature", *RECALIBRATED)
_WIDEST = 3
"""Regimes that stand beside each other in a table; more stand below each other."""


def tidy_tables(record: StudyRecord, comparison: Comparison) -> dict[str, pd.DataFrame]:
    """Name → table. Every number is as it was recorded or computed, not rounded.

    ``runs``: regime, seed, metric, value, paired_with (of metrics that only a pair has, the regime
    that the values of the pair belong to), run_id. ``epochs``: regime, seed, epoch, metric, value.
    ``pairs``: regime, baseline, metric, seed, difference. ``differences``: regime, baseline,
    metric, n, mean, low, high, confidence, p, p_holm and more; see `summary.differences_table`.
    ``guards``: regime, metric, margin, harm_low, harm_high, result; only if there are any. Of
    several splits, ``split`` stands behind ``seed``.
    """
    found = {
        "runs": _runs(record, comparison),
        "epochs": _epochs(record),
        "pairs": pd.DataFrame(
            [
                (of.regime, comparison.rule.baseline, of.metric, seed, value)
                for of in comparison.differences
                for seed, value in of.by_seed.items()
            ],
            columns=["regime", "baseline", "metric", "seed", "difference"],
        ),
    }
    differences = differences_table(comparison, record.image_intervals)
    of_seeds = [name for name in differences if str(name).startswith("seed ")]
    found["differences"] = differences.drop(columns=of_seeds)
    guards = [guarded for verdict in comparison.verdicts for guarded in verdict.guards]
    if guards:
        found["guards"] = pd.DataFrame(
            [
                (of.difference.regime, of.difference.metric, of.margin, of.low, of.high, of.kind)
                for of in guards
            ],
            columns=["regime", "metric", "margin", "harm_low", "harm_high", "result"],
        )
    return {name: with_splits(of) if "seed" in of else of for name, of in found.items()}


def _runs(record: StudyRecord, comparison: Comparison) -> pd.DataFrame:
    runs, keys = with_recalibrated(record), ["regime", "seed", "run_id"]
    measured = [name for name in _METRICS if name in runs.columns]
    tables = [runs.melt(keys, measured, "metric", "value").assign(paired_with="")]
    ids = record.runs[keys]
    for regime, pairs in comparison.equal_fit.items():
        of_pairs = [name for name in pairs if metrics.of_pairs(str(name))]
        long = pairs.melt(["regime", "seed"], of_pairs, "metric", "value")
        own = long["regime"] == regime
        long["paired_with"] = np.where(own, comparison.rule.baseline, regime)
        tables.append(long.merge(ids, on=["regime", "seed"], how="left"))
    found = pd.concat(tables, ignore_index=True).dropna(subset="value")
    return _sorted(found, record, ["regime", "seed", "metric", "value", "paired_with", "run_id"])


def _epochs(record: StudyRecord) -> pd.DataFrame:
    keys = ["regime", "seed", "epoch"]
    measured = [name for name in record.histories.columns if name not in keys]
    found = record.histories.melt(keys, measured, "metric", "value")
    return _sorted(found, record, [*keys, "metric", "value"])


def _sorted(table: pd.DataFrame, record: StudyRecord, columns: list[str]) -> pd.DataFrame:
    """The rows by metric, regime, seed and epoch, in the order in which the study has them."""
    places = {
        "metric": {name: at for at, name in enumerate(_METRICS)},
        "regime": {name: at for at, name in enumerate(record.regimes)},
    }

    def placed(column: pd.Series[Any]) -> pd.Series[Any]:
        known = places.get(str(column.name))
        return column if known is None else column.map(lambda name: known.get(name, len(known)))

    by = [name for name in ("metric", "regime", "paired_with", "seed", "epoch") if name in columns]
    return table.sort_values(by, key=placed, kind="stable")[columns]


def metrics_table(record: StudyRecord, comparison: Comparison, language: Language) -> pd.DataFrame:
    """Mean and 95 % interval of each metric in each regime, as text."""
    words, regimes = texts(language)["short"], list(record.regimes)
    means = intervals(record.runs, regimes, comparison)
    rows = []
    for metric in sorted(means, key=lambda name: name != FIRST):
        cells = {
            regime_label(regime, language): mean_text(metric, *means[metric][regime])
            if regime in means[metric]
            else "–"
            for regime in regimes
        }
        if len(regimes) <= _WIDEST:
            rows.append({words["metric"]: metric, **cells})
        else:
            rows += [
                {
                    words["metric"]: metric if at == 0 else "",
                    texts(language)["report"]["regime"]: regime,
                    texts(language)["paper"]["mean"]: cell,
                }
                for at, (regime, cell) in enumerate(cells.items())
            ]
    return pd.DataFrame(rows)


def differences_for_reader(comparison: Comparison, language: Language) -> pd.DataFrame:
    """Each difference with n, mean, interval, p and p after Holm's adjustment, as text."""
    words, report = texts(language)["short"], texts(language)["report"]
    paper, several = texts(language)["paper"], len(comparison.verdicts) > 1
    interval = paper["interval"].format(confidence=100 * (1 - comparison.rule.alpha))
    by_metric: dict[str, list[Difference]] = {}
    for difference in comparison.differences:
        by_metric.setdefault(difference.metric, []).append(difference)
    rows = []
    for metric in sorted(by_metric, key=lambda name: name != FIRST):
        adjusted = several or metric != comparison.rule.primary
        for at, of in enumerate(by_metric[metric]):
            row = {words["metric"]: metric if at == 0 else ""}
            if several:
                row[report["regime"]] = regime_label(of.regime, language)
            row |= {
                "n": str(of.n),
                paper["mean"]: mean_text(metric, of.mean, math.nan, math.nan, "+"),
                interval: f"[{number(metric, of.low, '+')}, {number(metric, of.high, '+')}]"
                if math.isfinite(of.low)
                else "–",
                words["p"]: p_text(of.p if of.n else math.nan),
                words["holm"]: p_text(of.p_holm if of.n and adjusted else math.nan),
            }
            rows.append(row)
    return pd.DataFrame(rows)
