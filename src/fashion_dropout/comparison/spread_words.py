"""Where the spread comes from, in tables and sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from scipy import stats

from fashion_dropout.comparison.spread import Place, Spread, Variance
from fashion_dropout.comparison.statistics import CONFIDENCE
from fashion_dropout.texts import Language, difference_label, metric_label, regime_label, texts


def named(sources: str, variance: Variance, language: Language) -> str:
    """What a row calls the sources that move."""
    words = texts(language)["variance"]
    if sources == variance.everything:
        return str(words["everything"])
    return " + ".join(words["sources"][source] for source in sources.split("+"))


def what(place: Place, variance: Variance, language: Language) -> str:
    """What a column and a sentence call a regime, or the difference of one from the baseline."""
    if not place.paired:
        return regime_label(place.regime, language)
    label = difference_label(place.regime, variance.baseline, language)
    return str(texts(language)["variance"]["difference"].format(label=label))


def metrics_of(variance: Variance) -> list[str]:
    """The metrics, the primary one first."""
    return list(dict.fromkeys(place.metric for place in variance.spreads))


def places_of(variance: Variance, metric: str) -> list[Place]:
    """The places of a metric: the regimes, the baseline first, then the paired differences."""
    return sorted((of for of in variance.spreads if of.metric == metric), key=lambda of: of.paired)


def spread_table(variance: Variance, metric: str, language: Language = "en") -> pd.DataFrame:
    """A row for each place and study, then one for the sum of the single sources: text columns."""
    words = texts(language)["variance"]
    headings = [words[name] for name in ("of", "source", "n", "deviation", "share")]
    rows = []
    for place in places_of(variance, metric):
        name = what(place, variance, language)
        for spread in variance.spreads[place]:
            moving = named(spread.sources, variance, language)
            rows.append([name, moving, str(spread.n), _deviation(spread), _share(spread, words)])
        total = _percent(variance.sum_of_shares(place), words)
        rows.append([name, words["sum"], "", "", total])
    return pd.DataFrame(rows, columns=headings)


def of_the_split(variance: Variance, primary: str, language: Language = "en") -> Iterator[str]:
    """What the split alone does to the paired differences in the primary metric; nothing if it
    moves alone in no study.
    """
    words = texts(language)["variance"]
    for place in places_of(variance, primary):
        split = variance.single(place).get("split")
        if not place.paired or split is None or not math.isfinite(split.share.value):
            continue
        share, low, high = (_percent(end, words) for end in split.share)
        known = {
            "what": what(place, variance, language),
            "noun": metric_label(primary, language),
            "factor": f"{variance.widening(place):.2f}",
        }
        yield words["split"].format(share=share, low=low, high=high, **known)
        if math.isfinite(variance.widening(place)):
            yield words["widening"].format(**known)


def of_shares(variance: Variance, primary: str, language: Language = "en") -> Iterator[str]:
    """What a reader of the shares must know."""
    words, places = texts(language)["variance"], places_of(variance, primary)
    comma = texts(language)["guards"]["comma"]
    sums = comma.join(
        f"{what(place, variance, language)} {_percent(variance.sum_of_shares(place), words)}"
        for place in places
    )
    if any(variance.single(place) for place in places):
        yield words["sums"].format(noun=metric_label(primary, language), sums=sums)
    yield words["add_up"]
    n = min(spread.n for place in places for spread in variance.spreads[place])
    if n > 1:
        tails = ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2)
        ends = [1 / float(stats.f.ppf(tail, n - 1, n - 1)) for tail in tails]
        low, high = (_percent(end, words) for end in ends)
        yield words["wide"].format(n=n, low=low, high=high)
    yield words["same"]


def _deviation(spread: Spread) -> str:
    value, low, high = spread.deviation
    return f"{value:.4f} [{low:.4f}, {high:.4f}]" if math.isfinite(value) else "–"


def _share(spread: Spread, words: Mapping[str, Any]) -> str:
    shown = _percent(spread.share.value, words)
    if not math.isfinite(spread.share.low):
        return shown
    return f"{shown} [{100 * spread.share.low:.0f}, {100 * spread.share.high:.0f}]"


def _percent(value: float, words: Mapping[str, Any]) -> str:
    if not math.isfinite(value):
        return "–"
    return str(words["percent"].format(value=f"{100 * value:.0f}"))


def share_label(spread: Spread, language: Language) -> str:
    """A share beside its dot."""
    return _percent(spread.share.value, texts(language)["variance"])
