"""What several splits add to a comparison: how much wider its intervals are, and whose values."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.statistics import Difference, t_interval
from fashion_dropout.comparison.two_way import layout
from fashion_dropout.config.cell import are_crossed, seed_and_split
from fashion_dropout.texts import Count, Language, Signed, metric_label, regime_label, texts

FEW_SPLITS = 5
"""With fewer, the spread between splits is hardly known."""


@dataclass(frozen=True)
class Widening:
    """The interval of a difference for other seeds on these splits, beside that for other splits.

    Attributes:
        seeds: How many seeds have a pair with each split.
        splits: How many splits there are.
        low: Lower end of the t interval over the means of the seeds, of the same confidence.
        high: Its upper end.
        ratio: How many times as wide the interval for other splits as well is.
    """

    seeds: int
    splits: int
    low: float
    high: float
    ratio: float


def widening(difference: Difference) -> Widening | None:
    """What covering other splits costs; None with one split, or without an interval."""
    if not are_crossed(difference.by_seed):
        return None
    (table,) = layout(difference.by_seed)
    low, high = t_interval(table.mean(axis=1), difference.confidence)
    if min(table.shape) < 2 or not high > low:
        return None
    ratio = (difference.high - difference.low) / (high - low)
    return Widening(len(table), table.shape[1], low, high, ratio)


def splits_sentences(
    record: StudyRecord, comparison: Comparison, language: Language = "en"
) -> list[str]:
    """How much wider each verdict's interval is for other splits, and how little few splits say."""
    words, found = texts(language)["splits"], []
    for difference in (verdict.difference for verdict in comparison.verdicts):
        if wider := widening(difference):
            ends = (wider.low, wider.high, difference.low, difference.high)
            low, high, both_low, both_high = (f"{Signed(end):+.4f}" for end in ends)
            found.append(
                words["wider"].format(
                    regime=regime_label(difference.regime, language),
                    noun=metric_label(difference.metric, language),
                    confidence=f"{100 * difference.confidence:.4g}",
                    seeds=Count(wider.seeds),
                    splits=Count(wider.splits),
                    low=low,
                    high=high,
                    both_low=both_low,
                    both_high=both_high,
                    ratio=f"{wider.ratio:.2f}",
                )
            )
    if 0 < len(record.splits) < FEW_SPLITS:
        found.append(words["few"].format(splits=Count(len(record.splits))))
    return found


def with_splits(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the seed and the split of each pair in columns of their own, if there are
    several splits.

    Args:
        table: With the column seed, as a table of runs has it.
    """
    if not are_crossed(table["seed"]):
        return table
    seeds, splits = zip(*map(seed_and_split, table["seed"]), strict=True)
    found = table.assign(seed=list(seeds))
    found.insert(list(table.columns).index("seed") + 1, "split", list(splits))
    return found
