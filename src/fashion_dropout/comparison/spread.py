"""Where the spread comes from: how much values vary if only some sources of randomness move.

Each study moves other sources with its seeds; one of them moves all that any of the others moves.
The share of a source is its variance as a part of that one's (Bouthillier et al. 2021, arXiv
2103.03098, compare standard deviations of the same kind). Shares need not add up to 1: what two
sources do together is in no single one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from fashion_dropout.comparison.statistics import CONFIDENCE
from fashion_dropout.config.vary import SOURCES


class Estimate(NamedTuple):
    """A value with the ends of its interval; NaN where there is none."""

    value: float
    low: float
    high: float


class Place(NamedTuple):
    """Of what the spread is: the values of a regime's runs or, if `paired`, its differences from
    the baseline over pairs.
    """

    metric: str
    regime: str
    paired: bool


@dataclass(frozen=True)
class Spread:
    """How much one thing varies if some sources move.

    Attributes:
        sources: Those that move, joined by +.
        n: From how many values.
        deviation: Their standard deviation, in the metric's unit.
        share: Their variance as a part of that where everything moves; NaN where nothing varies.
    """

    sources: str
    n: int
    deviation: Estimate
    share: Estimate


@dataclass(frozen=True)
class Variance:
    """The spreads of several studies side by side.

    Attributes:
        baseline: The regime that the others are compared with.
        everything: The sources that move in the study that moves them all.
        spreads: Place → its spread in each study, single sources first and everything last.
    """

    baseline: str
    everything: str
    spreads: Mapping[Place, Sequence[Spread]]

    def single(self, place: Place) -> dict[str, Spread]:
        """Source → the spread of the study in which it moves alone."""
        return {of.sources: of for of in self.spreads[place] if of.sources in SOURCES}

    def sum_of_shares(self, place: Place) -> float:
        """What the shares of the single sources add up to; NaN if none moves alone."""
        alone = self.single(place).values()
        return sum(of.share.value for of in alone) if alone else math.nan

    def widening(self, place: Place) -> float:
        """How much wider an interval becomes if it covers the split as well: a ratio above 1.

        √(sum of the variances of the single sources / the same without the split), as if sources
        did not interact. NaN unless each source that moves has a study in which it moves alone.
        """
        alone = self.single(place)
        if not alone.keys() >= set(self.everything.split("+")):
            return math.nan
        variances = {of: spread.deviation.value**2 for of, spread in alone.items()}
        rest = sum(variances.values()) - variances.get("split", math.nan)
        return math.sqrt(sum(variances.values()) / rest) if rest > 0 else math.nan


def variance(
    baseline: str, values: Mapping[str, Mapping[Place, Sequence[float]]], everything: str
) -> Variance:
    """The spread of every thing in every study.

    Args:
        baseline: The regime that the others are compared with.
        values: Sources that move → place → the values of one study, finite ones.
        everything: The one of these in which all move.
    """
    order = sorted(values, key=lambda of: (of == everything, "+" in of, _order(of)))
    spreads = {
        place: [_spread(of, values[of].get(place, ()), values[everything][place]) for of in order]
        for place in values[everything]
    }
    return Variance(baseline, everything, spreads)


def _order(sources: str) -> list[int]:
    return [SOURCES.index(source) for source in SOURCES if source in sources.split("+")]


def _spread(sources: str, values: Sequence[float], all_moving: Sequence[float]) -> Spread:
    return Spread(sources, len(values), deviation(values), share(values, all_moving))


def deviation(values: Sequence[float]) -> Estimate:
    """The standard deviation of normally distributed values, with its chi-square interval.

    (n − 1)·s²/σ² has the chi-square distribution with n − 1 degrees of freedom. Of values that are
    all equal it is 0, without doubt; of fewer than two it is NaN.
    """
    if len(values) < 2:
        return Estimate(math.nan, math.nan, math.nan)
    seen = _deviation(values)
    return Estimate(seen, *chi_square_interval(seen, len(values) - 1))


def chi_square_interval(seen: float, freedom: int) -> tuple[float, float]:
    """The 95 % interval of a standard deviation that is seen with n − 1 degrees of freedom."""
    quantiles = stats.chi2.ppf([(1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2], freedom)
    low, high = seen * np.sqrt(freedom / quantiles)
    return float(low), float(high)


def share(values: Sequence[float], everything: Sequence[float]) -> Estimate:
    """The variance of some values as a part of that of others, with the interval of their ratio.

    (s₁²/σ₁²)/(s₂²/σ₂²) has the F distribution if both are normal and independent. Studies of the
    same seeds are not: what moves in both is drawn alike, so their variances go up and down
    together, and the interval is rather too wide than too narrow. The share is NaN of fewer than
    two values, and where those that the whole is seen in do not vary.
    """
    if min(len(values), len(everything)) < 2 or not _deviation(everything) > 0:
        return Estimate(math.nan, math.nan, math.nan)
    ratio = (_deviation(values) / _deviation(everything)) ** 2
    if values is everything:
        return Estimate(1.0, math.nan, math.nan)
    tails = [(1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2]
    low, high = (
        ratio / float(stats.f.ppf(tail, len(values) - 1, len(everything) - 1)) for tail in tails
    )
    return Estimate(ratio, low, high)


def _deviation(values: Sequence[float]) -> float:
    """The standard deviation; exactly 0 of values that are all equal."""
    array = np.asarray(values, dtype=float)
    return float(array.std(ddof=1)) if np.ptp(array) > 0 else 0.0
