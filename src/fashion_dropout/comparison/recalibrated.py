"""What recalibration by one temperature a run leaves of a study's gains, in figures and words."""

from __future__ import annotations

import math
from dataclasses import asdict

import pandas as pd

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.recalibration import Share, share_left
from fashion_dropout.comparison.record import RECALIBRATED, StudyRecord
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.texts import Language, Signed, regime_label, texts

BEFORE = ("test/nll", "test/ece")
"""The metrics that are compared before and after; after it they are `record.RECALIBRATED`."""


def second_evidence(record: StudyRecord, language: Language = "en") -> list[str]:
    """What stands beside the verdict: the likelihood that recalibration leaves, for each regime.

    It answers in another way than the primary metric whether a regime generalizes better or is only
    less confident, and does not depend on where curves are read. It decides nothing.
    """
    words, runs = texts(language)["recalibration"], with_temperatures(record)
    found = []
    for regime in record.others if len(runs) else []:
        before, after = (
            recalibrated_difference(runs, metric, regime, record)
            for metric in (BEFORE[0], RECALIBRATED[0])
        )
        if before.n and after.n:
            sentence = survives(before, after, record, language)
            found.append(str(words["second"].format(sentence=sentence)))
    return found


def recalibrated(record: StudyRecord) -> dict[tuple[str, str], Difference]:
    """(metric before recalibration, regime) → the difference after it."""
    runs = with_temperatures(record)
    return {
        (before, regime): recalibrated_difference(runs, after, regime, record)
        for before, after in zip(BEFORE, RECALIBRATED, strict=True)
        for regime in (record.others if len(runs) else [])
    }


def shares_left(record: StudyRecord) -> dict[tuple[str, str], Share]:
    """(metric before recalibration, regime) → the share of its gain that is left, where defined."""
    runs = with_temperatures(record)
    found = {}
    for before, after in zip(BEFORE, RECALIBRATED, strict=True):
        for regime in record.others if len(runs) else []:
            both = (
                recalibrated_difference(runs, metric, regime, record) for metric in (before, after)
            )
            if share := share_left(*both):
                found[before, regime] = share
    return found


def temperatures(record: StudyRecord) -> dict[str, float]:
    """Regime → the mean temperature of its runs, where predictions are recorded."""
    runs = with_temperatures(record)
    groups = runs.groupby("regime")["temperature"] if len(runs) else ()
    return {str(regime): float(values.mean()) for regime, values in groups}


def with_temperatures(record: StudyRecord) -> pd.DataFrame:
    """The runs with their temperature and metrics after it; empty if they were not predicted."""
    known = record.results.recalibrated if record.results else pd.DataFrame()
    if known.empty or not set(BEFORE) <= set(record.runs):
        return pd.DataFrame()
    return record.runs.merge(known, on=["regime", "seed"])


def recalibrated_difference(
    runs: pd.DataFrame, metric: str, regime: str, record: StudyRecord
) -> Difference:
    """The difference of a regime in a metric of `with_temperatures`."""
    return statistics.compare(
        runs,
        metric,
        regime=regime,
        baseline=record.rule.baseline,
        direction="lower",
        confidence=1 - record.rule.alpha,
    )


def survives(before: Difference, after: Difference, record: StudyRecord, language: Language) -> str:
    """How much of a gain is left; all of these metrics are better the lower they are."""
    words = texts(language)["recalibration"]
    known = {
        "regime": regime_label(before.regime, language),
        "baseline": regime_label(record.rule.baseline, language),
        "metric": before.metric,
        "before": with_interval(before),
        "after": with_interval(after),
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


def with_interval(one: Difference) -> str:
    """A difference with its interval, for a person."""
    if not one.n:
        return "–"
    interval = f" {ends(one.low, one.high)}" if math.isfinite(one.low) else ""
    return f"{Signed(one.mean):+.4f}{interval}"


def ends(low: float, high: float) -> str:
    """An interval, for a person."""
    return f"[{Signed(low):+.4f}, {Signed(high):+.4f}]" if math.isfinite(low) else "–"
