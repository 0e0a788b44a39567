"""What recalibration by one temperature a run leaves of a study's gains, in figures and words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fashion_dropout.comparison.dose import dose_sentences
from fashion_dropout.comparison.record import RECALIBRATED, StudyRecord
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.summary import with_interval
from fashion_dropout.config.cell import are_crossed
from fashion_dropout.texts import Language, Signed, regime_label, texts

BEFORE = ("test/nll", "test/ece")
"""The metrics that are compared before and after; after it they are `record.RECALIBRATED`."""


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
    """(metric, regime) → the difference before recalibration and the one after it.

    Args:
        record: The study.
        metrics: The first of `BEFORE`, or all.
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


@dataclass(frozen=True)
class Share:
    """The mean difference after recalibration, as a share of that before.

    Attributes:
        value: 1 if recalibration takes nothing of the gain away, 0 if it takes all of it.
        low: Lower end of its interval, of the confidence of the differences.
        high: Its upper end.
    """

    value: float
    low: float
    high: float


def share_left(before: Difference, after: Difference) -> Share | None:
    """The share of a gain that is left, with the interval of a ratio of means (Fieller 1954).

    The interval holds every share ρ for which the mean over pairs of after − ρ · before is not
    shown to differ from zero by Student's t. It is finite exactly when the interval of `before`
    lies on one side of zero.

    Args:
        before: The difference in a metric whose lower values are better.
        after: The difference in the same metric after recalibration.

    Returns:
        None where the share is undefined, because no gain is shown before: the interval of
        `before` does not lie wholly below zero, or fewer than two pairs have both values. None also
        of several splits, where pairs are not independent of each other.
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
    return Share(float(y / x), float((b - root) / a), float((b + root) / a))


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
        known |= {
            name: f"{Signed(round(100 * value)):.0f}" for name, value in asdict(share).items()
        }
        known["confidence"] = f"{100 * before.confidence:.4g}"
        parts = ["sentence", "turned" if share.high < 0 else "none_shown"]
        if share.low > 0:
            parts = ["sentence", "share", *(["rest"] if share.high < 1 else [])]
    return str(words["between"].join(words[part] for part in parts).format(**known))
