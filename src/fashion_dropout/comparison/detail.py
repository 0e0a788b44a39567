"""What stands beside a study's main table: best epochs, other images, recalibration, pairing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.best_epoch import at_best_epoch
from fashion_dropout.comparison.pair_details import Detail, effects, pairing
from fashion_dropout.comparison.recalibration import Share, share_left
from fashion_dropout.comparison.record import RECALIBRATED, StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.statistics import Difference, t_interval
from fashion_dropout.comparison.two_level import METRICS as IMAGE_METRICS
from fashion_dropout.texts import Language, Signed, difference_label, regime_label, texts

_BEFORE = ("test/nll", "test/ece")


def details(
    record: StudyRecord, comparison: Comparison, language: Language = "en"
) -> Mapping[str, Detail]:
    """All of them, by the names of their texts, without those for which there are no data.

    Args:
        record: The study.
        comparison: The comparison of its runs.
        language: The language of headings and sentences.
    """
    found = {
        "best_epoch": best_epoch(record, language),
        "images": images(record, comparison, language),
        "recalibration": recalibration(record, language),
        "pairing": pairing(record, comparison, language),
        "effects": effects(record, comparison, language),
    }
    return {name: one for name, one in found.items() if len(one.table) or one.sentences}


def best_epoch(record: StudyRecord, language: Language) -> Detail:
    """The regimes at the best epoch of each run, as far as the study does not declare this itself.

    It answers what is left of a difference with early stopping, and decides nothing.
    """
    words = texts(language)["best_epoch"]
    rows = []
    for metric, differences in at_best_epoch(record).items():
        row = {words["metric"]: metric}
        for regime in record.regimes:
            mean, low, high = statistics.mean_interval(record.runs, regime, metric)
            row[regime_label(regime, language)] = f"{mean:.4f} [{low:.4f}, {high:.4f}]"
        for one in differences:
            name = difference_label(one.regime, record.rule.baseline, language)
            row[name] = _figures(one)
        rows.append(row)
    return Detail(pd.DataFrame(rows))


def images(record: StudyRecord, comparison: Comparison, language: Language) -> Detail:
    """The differences in metrics of the test set: for these images, and for images like these."""
    words = texts(language)["images"]
    confidence = 1 - comparison.rule.alpha
    rows = []
    for one in comparison.differences:
        if one.metric not in IMAGE_METRICS or not one.n:
            continue
        low, high = record.image_intervals.get((one.regime, one.metric), (math.nan, math.nan))
        values = np.array(list(one.by_seed.values()), dtype=float)
        rows.append(
            {
                words["metric"]: one.metric,
                words["difference"]: difference_label(
                    one.regime, comparison.rule.baseline, language
                ),
                words["mean"]: f"{Signed(one.mean):+.4f}",
                words["these"]: _interval(*t_interval(values, confidence)),
                words["like_these"]: _interval(low, high),
            }
        )
    return Detail(pd.DataFrame(rows))


def recalibration(record: StudyRecord, language: Language) -> Detail:
    """What the regimes gain in likelihood and calibration, before and after one temperature."""
    words = texts(language)["recalibration"]
    runs = _with_temperatures(record)
    if runs.empty:
        return Detail()
    metrics = (*_BEFORE, *RECALIBRATED)
    rows = []
    for regime in record.regimes:
        own = runs[runs["regime"] == regime]
        figures = {metric: _mean(own[metric]) for metric in metrics}
        rows.append(
            (regime_label(regime, language), _mean(own["temperature"], 3), *_ordered(figures))
        )
    sentences = []
    for regime in record.others:
        differences = {metric: _difference(runs, metric, regime, record) for metric in metrics}
        if not differences[_BEFORE[0]].n:
            continue
        figures = {metric: _figures(one) for metric, one in differences.items()}
        rows.append(
            (difference_label(regime, record.rule.baseline, language), "", *_ordered(figures))
        )
        for before, after in zip(_BEFORE, RECALIBRATED, strict=True):
            if differences[before].n and differences[after].n:
                one, other = differences[before], differences[after]
                sentences.append(_survives(one, other, record, language))
    headings = ["regime", "temperature", "nll", "nll_after", "ece", "ece_after"]
    table = pd.DataFrame(rows, columns=[words[name] for name in headings])
    return Detail(table, tuple(sentences))


def shares_left(record: StudyRecord) -> dict[tuple[str, str], Share]:
    """(metric before recalibration, regime) → the share of its gain that is left, where defined."""
    runs = _with_temperatures(record)
    found = {}
    for before, after in zip(_BEFORE, RECALIBRATED, strict=True):
        for regime in record.others if len(runs) else []:
            both = (_difference(runs, metric, regime, record) for metric in (before, after))
            if share := share_left(*both):
                found[before, regime] = share
    return found


def temperatures(record: StudyRecord) -> dict[str, float]:
    """Regime → the mean temperature of its runs, where predictions are recorded."""
    runs = _with_temperatures(record)
    groups = runs.groupby("regime")["temperature"] if len(runs) else ()
    return {str(regime): float(values.mean()) for regime, values in groups}


def _with_temperatures(record: StudyRecord) -> pd.DataFrame:
    """The runs with their temperature and metrics after it; empty if they were not predicted."""
    known = record.results.recalibrated if record.results else pd.DataFrame()
    if known.empty or not set(_BEFORE) <= set(record.runs):
        return pd.DataFrame()
    return record.runs.merge(known, on=["regime", "seed"])


def _difference(runs: pd.DataFrame, metric: str, regime: str, record: StudyRecord) -> Difference:
    return statistics.compare(
        runs,
        metric,
        regime=regime,
        baseline=record.rule.baseline,
        direction="lower",
        confidence=1 - record.rule.alpha,
    )


def _survives(
    before: Difference, after: Difference, record: StudyRecord, language: Language
) -> str:
    """How much of a gain is left; all of these metrics are better the lower they are."""
    words = texts(language)["recalibration"]
    known = {
        "regime": regime_label(before.regime, language),
        "baseline": regime_label(record.rule.baseline, language),
        "metric": before.metric,
        "before": _figures(before),
        "after": _figures(after),
    }
    share = share_left(before, after)
    if share is None:
        parts = ["sentence", "undefined"]
    else:
        known |= {
            name: f"{Signed(round(100 * value)):.0f}" for name, value in asdict(share).items()
        }
        known["confidence"] = f"{100 * before.confidence:.4g}"
        parts = ["sentence", "turned" if share.high < 0 else "none_shown"]
        if share.low > 0:
            parts = ["sentence", "share", *(["rest"] if share.high < 1 else [])]
    return str(words["between"].join(words[part] for part in parts).format(**known))


def _ordered(figures: Mapping[str, str]) -> list[str]:
    """Before and after, beside each other."""
    pairs = zip(_BEFORE, RECALIBRATED, strict=True)
    return [figures[metric] for pair in pairs for metric in pair]


def _mean(values: pd.Series, digits: int = 4) -> str:
    mean = float(values.mean())
    return f"{mean:.{digits}f}" if math.isfinite(mean) else "–"


def _figures(one: Difference) -> str:
    if not one.n:
        return "–"
    interval = f" {_interval(one.low, one.high)}" if math.isfinite(one.low) else ""
    return f"{Signed(one.mean):+.4f}{interval}"


def _interval(low: float, high: float) -> str:
    return f"[{Signed(low):+.4f}, {Signed(high):+.4f}]" if math.isfinite(low) else "–"
