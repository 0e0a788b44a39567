"""What stands beside a study's main table: best epochs, other images, recalibration, pairing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from fashion_dropout.comparison.dose import dose_sentences
from fashion_dropout.comparison.figures import mean_text, with_interval
from fashion_dropout.comparison.pair_details import Detail, effects, pairing
from fashion_dropout.comparison.record import RECALIBRATED, StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.spread import Estimate
from fashion_dropout.comparison.statistics import Difference, interval
from fashion_dropout.comparison.summary import mean_interval
from fashion_dropout.comparison.two_level import METRICS as IMAGE_METRICS
from fashion_dropout.config.cell import are_crossed
from fashion_dropout.texts import Language, Signed, difference_label, regime_label, texts

BEFORE = ("test/nll", "test/ece")
"""The metrics that are compared before and after; after it they are `record.RECALIBRATED`."""

_AT_BEST = ("best/val_loss", "best/val_accuracy")


def details(
    record: StudyRecord, comparison: Comparison, language: Language = "en"
) -> Mapping[str, Detail]:
    """All of them, by the names of their texts, without those for which there are no data."""
    found = {
        "best_epoch": best_epoch(record, language),
        "images": images(record, comparison, language),
        "recalibration": recalibration(record, language),
        "pairing": pairing(record, comparison, language),
        "effects": effects(record, comparison, language),
    }
    return {name: detail for name, detail in found.items() if len(detail.table) or detail.sentences}


def at_best_epoch(record: StudyRecord) -> dict[str, list[Difference]]:
    """Metric at the best epoch → its differences, one for each regime that has a pair.

    They decide nothing. Metrics that the study has declared are left out: they stand in the main
    table.
    """
    left_out = {record.rule.primary, *record.rule.secondary}
    found = {
        metric: [record.difference(record.runs, metric, regime) for regime in record.others]
        for metric in _AT_BEST
        if metric not in left_out and metric in record.runs
    }
    pairs = {metric: [of for of in differences if of.n] for metric, differences in found.items()}
    return {metric: differences for metric, differences in pairs.items() if differences}


def best_epoch(record: StudyRecord, language: Language) -> Detail:
    """The regimes at the best epoch of each run, as far as the study does not declare this itself.

    That epoch is known only afterwards, so it decides nothing.
    """
    words = texts(language)["best_epoch"]
    rows = []
    for metric, differences in at_best_epoch(record).items():
        row = {words["metric"]: metric}
        for regime in record.regimes:
            shown = mean_interval(record.runs, regime, metric)
            row[regime_label(regime, language)] = mean_text(metric, *shown)
        for difference in differences:
            name = difference_label(difference.regime, record.rule.baseline, language)
            row[name] = with_interval(difference)
        rows.append(row)
    return Detail(pd.DataFrame(rows))


def images(record: StudyRecord, comparison: Comparison, language: Language) -> Detail:
    """The differences in metrics of the test set: for these images, and for images like these."""
    words = texts(language)["images"]
    confidence = 1 - comparison.rule.alpha
    rows = []
    for difference in () if record.splits else comparison.differences:
        if difference.metric not in IMAGE_METRICS or not difference.n:
            continue
        place = difference.regime, difference.metric
        low, high = record.image_intervals.get(place, (math.nan, math.nan))
        label = difference_label(difference.regime, comparison.rule.baseline, language)
        ends = _ends(*interval(difference.by_seed, confidence)), _ends(low, high)
        rows.append((difference.metric, label, f"{Signed(difference.mean):+.4f}", *ends))
    headings = ("metric", "difference", "mean", "these", "like_these")
    return Detail(pd.DataFrame(rows, columns=[words[name] for name in headings]))


def recalibration(record: StudyRecord, language: Language) -> Detail:
    """What the regimes gain in likelihood and calibration, before and after one temperature."""
    words = texts(language)["recalibration"]
    runs = with_temperatures(record)
    if runs.empty:
        return Detail()
    metrics = [metric for pair in zip(BEFORE, RECALIBRATED, strict=True) for metric in pair]
    rows, sentences = [], []
    for regime in record.regimes:
        own = runs[runs["regime"] == regime]
        figures = [_mean(own[metric]) for metric in metrics]
        rows.append((regime_label(regime, language), _mean(own["temperature"], 3), *figures))
    found = recalibrated(record)
    for regime in record.others:
        pairs = [found[metric, regime] for metric in BEFORE]
        if pairs[0][0].n:
            figures = [with_interval(difference) for pair in pairs for difference in pair]
            label = difference_label(regime, record.rule.baseline, language)
            rows.append((label, "", *figures))
            sentences += [
                survives(before, after, record, language)
                for before, after in pairs
                if before.n and after.n
            ]
    headings = ["regime", "temperature", "nll", "nll_after", "ece", "ece_after"]
    table = pd.DataFrame(rows, columns=[words[name] for name in headings])
    return Detail(table, tuple(sentences))


def second_evidence(record: StudyRecord, language: Language = "en") -> list[str]:
    """What stands beside the verdict: the best value of a parameter, if the study asks for one, and
    the likelihood that recalibration leaves, for each regime.

    The latter answers in another way than the primary metric whether a regime generalizes better or
    is only less confident, and does not depend on where curves are read. Neither decides anything.
    """
    words = texts(language)["recalibration"]
    return dose_sentences(record, language) + [
        str(words["second"].format(sentence=survives(before, after, record, language)))
        for before, after in recalibrated(record, BEFORE[:1]).values()
        if before.n and after.n
    ]


def recalibrated(
    record: StudyRecord, metrics: tuple[str, ...] = BEFORE
) -> dict[tuple[str, str], tuple[Difference, Difference]]:
    """(metric, regime) → the difference before recalibration and the one after it, of the first
    metric of `BEFORE` or of all.
    """
    runs = with_temperatures(record)
    return {
        (before, regime): (
            record.difference(runs, before, regime),
            record.difference(runs, after, regime),
        )
        for before, after in zip(metrics, RECALIBRATED, strict=False)
        for regime in (record.others if len(runs) else [])
    }


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


def with_recalibrated(record: StudyRecord) -> pd.DataFrame:
    """The table of runs, with temperatures and metrics after recalibration if there are any."""
    if record.results is None or record.results.recalibrated.empty:
        return record.runs
    return record.runs.merge(record.results.recalibrated, on=["regime", "seed"], how="left")


def share_left(before: Difference, after: Difference) -> Estimate | None:
    """The share of a gain that is left, with the interval of a ratio of means (Fieller 1954).

    The interval holds every share ρ for which the mean over pairs of after − ρ · before is not
    shown to differ from zero by Student's t. It is finite exactly when the interval of `before`
    lies on one side of zero. Lower values of the metric are better.

    Returns:
        1 if recalibration takes nothing of the gain away, 0 if it takes all of it. None where the
        share is undefined, because no gain is shown before: the interval of `before` does not lie
        wholly below zero, or fewer than two pairs have both values. None also of several splits,
        where pairs are not independent of each other.
    """
    seeds = sorted(before.by_seed.keys() & after.by_seed.keys())
    if len(seeds) < 2 or not before.high < 0 or are_crossed(seeds):
        return None
    values = np.array([[of.by_seed[seed] for seed in seeds] for of in (before, after)])
    x, y = values.mean(axis=1)
    t = stats.t.ppf((1 + before.confidence) / 2, len(seeds) - 1)
    (xx, xy), (_, yy) = t**2 * np.cov(values) / len(seeds)
    a, b, c = x**2 - xx, x * y - xy, y**2 - yy
    if not a > 0:  # the pairs that lack a value after it had shown the gain
        return None
    root = math.sqrt(max(0.0, b**2 - a * c))
    return Estimate(float(y / x), float((b - root) / a), float((b + root) / a))


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
    if are_crossed(before.by_seed):
        parts = ["sentence"]
    elif share is None:
        parts = ["sentence", "undefined"]
    else:
        known |= {name: _share(value, words) for name, value in share._asdict().items()}
        known["confidence"] = f"{100 * before.confidence:.4g}"
        parts = ["sentence", "turned" if share.high < 0 else "none_shown"]
        if share.low > 0:
            parts = ["sentence", "share", *(["rest"] if share.high < 1 else [])]
    return str(words["between"].join(words[part] for part in parts).format(**known))


def _share(value: float, words: Mapping[str, Any]) -> str:
    """A share in per cent; far beyond none and all of it, no digit says anything."""
    if -1 <= value <= 2:
        return f"{Signed(round(100 * value)):.0f}"
    return str(words["far_above" if value > 0 else "far_below"])


def _ends(low: float, high: float) -> str:
    return f"[{Signed(low):+.4f}, {Signed(high):+.4f}]" if math.isfinite(low) else "–"


def _mean(values: pd.Series, digits: int = 4) -> str:
    mean = float(values.mean())
    return f"{mean:.{digits}f}" if math.isfinite(mean) else "–"
