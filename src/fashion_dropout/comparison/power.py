"""Power: how probably a study of so many pairs shows a difference, or that there is none.

A verdict needs two things at once: an interval by Student's t and the exact sign-flip test (see
`verdict`). For normally distributed differences the probability of the first has a formula; how
often the second agrees is simulated. So the simulation only settles the points, with few pairs the
tens of points, by which the power lies below that of a t test.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.comparison.attainable import seeds_for
from fashion_dropout.config.decision import Decision

POWER = 0.8
"""The power that a study is advised to have."""

_SIMULATED_UP_TO = 40  # pairs: beyond, both tests agree in 99.7 of 100 studies
_STUDIES = 20_000  # at most; fewer where each has many patterns
_EXACT_UP_TO = 12  # pairs
_FLIPS = 2**21  # studies × patterns
_SEED = 0
_LARGEST_EFFECT = 1e3  # standard deviations: also where all pairs are equal
_MOST_PAIRS = 10**9


@dataclass(frozen=True)
class Power:
    """What a study of so many pairs shows for one regime, and how probably.

    Attributes:
        pairs: Their number.
        difference: The probability to show a difference, if the true one is the smallest
            difference of interest.
        unharmed: The same, and that no guard is harmed by its margin, if the regime harms none and
            the guards vary independently of the primary metric.
        equivalence: The probability to show that there is no difference that matters, if there is
            none at all.
    """

    pairs: int
    difference: float
    unharmed: float
    equivalence: float


def power(
    pairs: int, deviations: Mapping[str, float], rule: Decision, comparisons: int = 1
) -> Power:
    """The power of a study, for each of the regimes that it compares.

    Args:
        pairs: How many pairs each regime has; at least two.
        deviations: Metric → the standard deviation of its paired differences: of the primary metric
            and of the guards; a guard of which nothing is known is not counted.
        rule: The decision rule that the study declares.
        comparisons: How many regimes are compared with the baseline. Each is tested at alpha
            divided by this number, as Holm's method tests the smallest of their p-values.
    """
    effect = _effect(rule.smallest_difference, deviations[rule.primary])
    difference = _power_of_difference(pairs, effect, rule.alpha / comparisons)
    return Power(
        pairs,
        difference,
        difference * _no_harm(pairs, deviations, rule),
        _power_of_equivalence(pairs, effect, rule.alpha / comparisons),
    )


def seeds_needed(deviation: float, rule: Decision, comparisons: int = 1) -> int:
    """The fewest pairs that show a difference of the smallest size of interest with `POWER`.

    The deviation is that of the primary metric, as in `power`; so are the other arguments.
    """
    return seeds_for_no_harm({rule.primary: deviation}, rule, comparisons)


def seeds_for_no_harm(deviations: Mapping[str, float], rule: Decision, comparisons: int = 1) -> int:
    """The fewest pairs that show with `POWER` a difference and that no known guard is harmed.

    The arguments are those of `power`.
    """
    effect = _effect(rule.smallest_difference, deviations[rule.primary])
    level = rule.alpha / comparisons
    return _fewest(
        max(2, seeds_for(rule.alpha, comparisons)),
        lambda n: _upper_tail(n, effect, level / 2) * _no_harm(n, deviations, rule),
        lambda n: _power_of_difference(n, effect, level) * _no_harm(n, deviations, rule),
    )


def seeds_for_equivalence(deviation: float, rule: Decision, comparisons: int = 1) -> int:
    """The fewest pairs that show with `POWER` that there is no difference; as `seeds_needed`."""
    effect = _effect(rule.smallest_difference, deviation)
    level = rule.alpha / comparisons
    return _fewest(
        2,
        lambda pairs: _within(pairs, effect, level),
        lambda pairs: _power_of_equivalence(pairs, effect, level),
    )


def _fewest(least: int, bound: Callable[[int], float], power_of: Callable[[int], float]) -> int:
    """The first number of pairs with `POWER`, found by an upper bound of it that rises."""
    start = bisect_left(range(_MOST_PAIRS), POWER, lo=least, key=bound)
    return next(
        pairs for pairs in count(start) if pairs > _SIMULATED_UP_TO or power_of(pairs) >= POWER
    )


def _effect(size: float, deviation: float) -> float:
    return min(size / deviation, _LARGEST_EFFECT) if deviation > 0 else _LARGEST_EFFECT


def _no_harm(pairs: int, deviations: Mapping[str, float], rule: Decision) -> float:
    """The probability to clear all guards of which something is known, if none is harmed."""
    cleared = [
        _upper_tail(pairs, _effect(margin, deviations[metric]), rule.alpha)
        for metric, margin in rule.guards.items()
        if metric in deviations
    ]
    return float(np.prod(cleared))


def _power_of_difference(pairs: int, effect: float, level: float) -> float:
    """Both tests, two-sided, if the true mean is `effect` standard deviations."""
    by_t = _upper_tail(pairs, effect, level / 2)
    if pairs > _SIMULATED_UP_TO:
        return by_t
    values = _noise(pairs) + np.float32(effect)
    shown = values[:, _t(values) > stats.t.ppf(1 - level / 2, pairs - 1)]
    return by_t * _share(2 * _one_sided_p(shown) <= level)


def _power_of_equivalence(pairs: int, margin: float, level: float) -> float:
    """Both pairs of one-sided tests, if the true mean is zero and the margin in deviations."""
    by_t = _within(pairs, margin, level)
    if pairs > _SIMULATED_UP_TO:
        return by_t
    noise, shift = _noise(pairs), np.float32(margin)
    least = stats.t.ppf(1 - level, pairs - 1)
    inside = noise[:, np.minimum(_t(noise + shift), _t(shift - noise)) > least]
    p = np.maximum(_one_sided_p(inside + shift), _one_sided_p(shift - inside))
    return by_t * _share(p <= level)


def _upper_tail(pairs: int, effect: float, level: float) -> float:
    """The power of a one-sided one-sample t test, the mean over the standard deviations seen."""
    return float(np.mean(stats.norm.cdf(effect * pairs**0.5 - _critical(pairs, level))))


def _within(pairs: int, margin: float, level: float) -> float:
    """The probability that both one-sided t tests of ± a margin reject, if the true mean is 0."""
    reach = margin * pairs**0.5 - _critical(pairs, level)
    return float(np.mean(np.maximum(0, 2 * stats.norm.cdf(reach) - 1)))


def _critical(pairs: int, level: float) -> NDArray[np.float64]:
    """How many standard errors the mean must reach: a value for each quantile of what is seen of
    the standard deviation.
    """
    shares = (np.arange(1_000) + 0.5) / 1_000
    seen = np.sqrt(stats.chi2.ppf(shares, pairs - 1) / (pairs - 1))
    return np.asarray(stats.t.ppf(1 - level, pairs - 1) * seen)


def _one_sided_p(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sign-flip p-value of a positive mean, of each column; float32 of shape (pairs, n)."""
    patterns = signs(len(values))
    flipped, seen = patterns @ values, values.sum(axis=0)
    seen = seen - np.float32(1e-5) * np.abs(values).sum(axis=0)  # sums in another order
    extreme = (flipped >= seen).mean(axis=0) + (flipped <= -seen).mean(axis=0)
    return np.asarray(extreme / 2)


@cache
def signs(pairs: int) -> NDArray[np.float32]:
    """Patterns of signs with which, and with whose opposites, paired differences are multiplied.

    All those of the first 12 pairs, each with random signs of the others, so that the patterns of a
    smaller number of pairs are found among those of a larger one.

    Returns:
        ±1, float32 of shape (patterns, pairs); the first pattern is all +1.
    """
    exact = min(pairs, _EXACT_UP_TO)
    bits = np.arange(2 ** (exact - 1))[:, None] >> np.arange(exact) & 1
    rest = np.random.default_rng(_SEED).integers(0, 2, (len(bits), pairs - exact))
    rest[0] = 0
    return (1 - 2 * np.hstack((bits, rest))).astype(np.float32)


def _noise(pairs: int) -> NDArray[np.float32]:
    """The same simulated studies for all effects: standard normal, of shape (pairs, studies)."""
    return _all_noise()[:pairs, : _FLIPS // len(signs(pairs))]


@cache
def _all_noise() -> NDArray[np.float32]:
    shape = (_SIMULATED_UP_TO, _STUDIES)
    return np.random.default_rng(_SEED).standard_normal(shape, dtype=np.float32)


def _t(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values.mean(axis=0) / values.std(axis=0, ddof=1) * len(values) ** 0.5)


def _share(agree: NDArray[np.bool_]) -> float:
    return float(agree.mean()) if len(agree) else 0.0
