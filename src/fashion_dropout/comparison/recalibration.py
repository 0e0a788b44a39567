"""How much of a gain is left after recalibration, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fashion_dropout.comparison.statistics import Difference


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
        `before` does not lie wholly below zero, or fewer than two pairs have both values.
    """
    seeds = sorted(before.by_seed.keys() & after.by_seed.keys())
    if len(seeds) < 2 or not before.high < 0:
        return None
    values = np.array([[one.by_seed[seed] for seed in seeds] for one in (before, after)])
    x, y = values.mean(axis=1)
    t = stats.t.ppf((1 + before.confidence) / 2, len(seeds) - 1)
    (xx, xy), (_, yy) = t**2 * np.cov(values) / len(seeds)
    a, b, c = x**2 - xx, x * y - xy, y**2 - yy
    if not a > 0:  # the pairs that lack a value after it had shown the gain
        return None
    root = math.sqrt(max(0.0, b**2 - a * c))
    return Share(float(y / x), float((b - root) / a), float((b + root) / a))
