"""Whom intervals speak of: what a seed decides in a study, and what several splits add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.sentences import listed
from fashion_dropout.comparison.statistics import Difference, t_interval
from fashion_dropout.comparison.two_way import layout
from fashion_dropout.config.cell import are_crossed, seed_and_split
from fashion_dropout.config.vary import SOURCES, USUAL
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
    """A table with the column seed, as a table of runs has it, with the seed and the split of each
    pair in columns of their own, if there are several splits.
    """
    if not are_crossed(table["seed"]):
        return table
    seeds, splits = zip(*map(seed_and_split, table["seed"]), strict=True)
    found = table.assign(seed=list(seeds))
    found.insert(list(table.columns).index("seed") + 1, "split", list(splits))
    return found


def named(sources: Iterable[str], language: Language) -> str:
    """Sources of randomness as a sentence names them: “the initial weights and the split”."""
    words = texts(language)["vary"]["sources"]
    return listed([words[source] for source in SOURCES if source in set(sources)], language)


def sources_sentence(record: StudyRecord, language: Language = "en") -> str | None:
    """What a seed decides, and what it does not; None where it is all but the split, as usual."""
    moving, words = set(record.sources), texts(language)["vary"]
    if moving == set(USUAL.split("+")):
        return None
    still = set(SOURCES) - moving - ({"split"} if record.splits else set())
    return str(words["some" if still else "all"]).format(
        moving=named(moving, language), still=named(still, language)
    )


def scope(record: StudyRecord, comparison: Comparison, language: Language = "en") -> list[str]:
    """Whom the intervals speak of, where that is not other seeds that decide all but the split."""
    sentence = sources_sentence(record, language)
    return [*([sentence] if sentence else []), *splits_sentences(record, comparison, language)]


def sources_warnings(record: StudyRecord, language: Language = "en") -> list[str]:
    """A line if recorded digests show that something moved that should not, and one if something
    should have moved and did not.
    """
    words = texts(language)["vary"]
    return [
        str(words[kind]).format(sources=named(sources, language))
        for kind, sources in record.misplaced.items()
    ]
