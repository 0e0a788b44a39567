"""Which p so many pairs can give at all: arithmetic that is needed before anything is imported."""

from __future__ import annotations

import math

EXACT_UP_TO = 16
"""The most pairs whose sign patterns are all counted; each pair more would double their number."""

RESAMPLES = 10_000
"""Sign patterns that are drawn above that, and resamples of the bootstrap."""


def smallest_p(pairs: int, comparisons: int = 1) -> float:
    """The smallest two-sided p that a sign-flip test of `pairs` pairs can give, at most 1.

    It is 2/2ⁿ where the test is exact, and 1/10,001 where it draws 10,000 sign patterns. Holm's
    adjustment multiplies the smallest p of a family by the number of its `comparisons`, and no
    other adjusted p of the family is below that one.
    """
    least = 2 / 2.0**pairs if pairs <= EXACT_UP_TO else 1 / (RESAMPLES + 1)
    return min(1.0, comparisons * least)


def seeds_for(alpha: float, comparisons: int = 1) -> int:
    """The fewest pairs with which p ≤ `alpha` is possible in an exact test."""
    return math.ceil(1 - math.log2(alpha / comparisons))
