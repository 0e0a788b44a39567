"""What stands beside a study's main table: best epochs, other images, recalibration, pairing."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from fashion_dropout.comparison.pair_details import Detail, effects, pairing
from fashion_dropout.comparison.recalibrated import (
    BEFORE,
    recalibrated,
    survives,
    with_temperatures,
)
from fashion_dropout.comparison.record import RECALIBRATED, StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.statistics import Difference, t_interval
from fashion_dropout.comparison.summary import mean_interval, mean_text, with_interval
from fashion_dropout.comparison.two_level import METRICS as IMAGE_METRICS
from fashion_dropout.texts import Language, Signed, difference_label, regime_label, texts

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
        values = np.array(list(difference.by_seed.values()), dtype=float)
        rows.append(
            {
                words["metric"]: difference.metric,
                words["difference"]: difference_label(
                    difference.regime, comparison.rule.baseline, language
                ),
                words["mean"]: f"{Signed(difference.mean):+.4f}",
                words["these"]: _ends(*t_interval(values, confidence)),
                words["like_these"]: _ends(low, high),
            }
        )
    return Detail(pd.DataFrame(rows))


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


def _ends(low: float, high: float) -> str:
    return f"[{Signed(low):+.4f}, {Signed(high):+.4f}]" if math.isfinite(low) else "–"


def _mean(values: pd.Series, digits: int = 4) -> str:
    mean = float(values.mean())
    return f"{mean:.{digits}f}" if math.isfinite(mean) else "–"
