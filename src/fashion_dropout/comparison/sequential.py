"""Sign-flip tests at declared numbers of pairs, with alpha spent over them: pure functions.

A study that looks at its data several times, each time at alpha, is wrong more often than alpha.
Lan and DeMets (1983) spend alpha over the looks instead, by a function that is declared beforehand
(`Decision.spending`). What a sign-flip test spends can be counted: if there is no effect, all sign
patterns of the pairs seen are equally likely, whatever the distribution of their sizes. So the
error rate of the whole is at most alpha exactly, and only data seen so far is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.comparison.attainable import EXACT_UP_TO, RESAMPLES

_SEED = 0
_AT_ONCE = 1_000
_NUMBERS_AT_ONCE = 2**20
_TIE = 1e-10  # of the largest value: sums of the same terms in another order are equal


@dataclass(frozen=True)
class Look:
    """What a sign-flip test says at one look.

    Attributes:
        p: The share of sign patterns whose statistic reaches that of the data.
        level: The largest p that is significant here: the share of patterns that reach the critical
            value of this look; 0 if no p is small enough.
    """

    p: float
    level: float

    @property
    def significant(self) -> bool:
        """Whether the statistic reaches the critical value."""
        return 0 < self.p <= self.level


def sign_flip_looks(
    values: NDArray[np.float64], sizes: Sequence[int], spending: Sequence[float], *, two_sided: bool
) -> list[Look]:
    """A sign-flip test of the mean at each look.

    The critical value of a look is the smallest for which the share of sign patterns that reach it
    there, and had not reached that of an earlier look, is at most what is newly spent.

    Args:
        values: The paired differences in the order in which they are seen, float64 of shape (n,).
        sizes: How many of them are seen at each look, increasing; the last is n.
        spending: What may be newly spent at each look, as a share; see `Decision.spending`.
        two_sided: Whether a mean below zero counts as one above it.
    """
    if not len(values):
        return [Look(1.0, 0.0) for _ in sizes]
    p, level = of_studies(values[np.newaxis], sizes, spending, two_sided=two_sided)
    return [Look(float(share), float(level)) for share, level in zip(p[0], level[0], strict=True)]


def of_studies(
    values: NDArray[np.float64], sizes: Sequence[int], spending: Sequence[float], *, two_sided: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`sign_flip_looks` of many studies at once; the values are float64 of shape (studies, n).

    Returns:
        p and level of each study and look, float64 of shape (studies, looks).
    """
    patterns = [2**size if size <= EXACT_UP_TO else 1 + RESAMPLES for size in sizes]
    rows = max(1, _NUMBERS_AT_ONCE // max(patterns))
    blocks = [
        _of_block(values[first : first + rows], sizes, spending, two_sided)
        for first in range(0, len(values), rows)
    ]
    p, level = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return p, level


def _of_block(
    values: NDArray[np.float64], sizes: Sequence[int], spending: Sequence[float], two_sided: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    largest = np.abs(values).max(axis=1, keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1)
    crossed = np.zeros((len(values), 1), dtype=bool)
    found, bounds = [], list[NDArray[np.float64]]()
    for newly, sums in zip(spending, signed_sums(scaled, sizes), strict=True):
        patterns = sums.shape[1]
        reached = np.abs(sums) if two_sided else sums
        if patterns % crossed.shape[1]:  # from all patterns to random ones
            earlier = [_random_sums(scaled, size) for size in sizes[: len(bounds)]]
            earlier = [np.abs(of) if two_sided else of for of in earlier]
            past = [of > bound + _TIE for of, bound in zip(earlier, bounds, strict=True)]
            crossed = np.logical_or.reduce(past)
        # The patterns of the pairs seen before repeat for every pattern of the new ones.
        crossed = np.tile(crossed, patterns // crossed.shape[1])
        allowed = int(newly * patterns + 1e-9)  # more patterns than these may not reach it
        still = np.where(crossed, -np.inf, reached)
        bound = -np.partition(-still, allowed, axis=1)[:, allowed : allowed + 1]
        bounds.append(bound)
        reaches = reached > bound + _TIE
        crossed |= reaches
        as_extreme = reached >= reached[:, :1] - _TIE
        found.append((as_extreme.mean(axis=1), reaches.mean(axis=1)))
    p, level = (np.stack(parts, axis=1) for parts in zip(*found, strict=True))
    return p, level


def signed_sums(values: NDArray[np.float64], sizes: Sequence[int]) -> Iterator[NDArray[np.float64]]:
    """At each look, the sums of the pairs seen with every pattern of signs; first, as they are.

    Yields:
        float64 of shape (studies, patterns).
    """
    sums = np.zeros((len(values), 1))
    for before, size in itertools.pairwise((0, *sizes)):
        if size > EXACT_UP_TO:
            yield _random_sums(values, size)
            continue
        for pair in range(before, size):  # each pair doubles the patterns: as it is, and flipped
            value = values[:, pair : pair + 1]
            sums = np.concatenate([sums + value, sums - value], axis=1)
        yield sums


def _random_sums(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The sums of the first pairs, so many, with each of the random patterns."""
    patterns = random_patterns(size)
    blocks = [patterns[first : first + _AT_ONCE] for first in range(0, len(patterns), _AT_ONCE)]
    return np.concatenate([values[:, :size] @ block.T for block in blocks], axis=1)


@lru_cache(maxsize=4)
def random_patterns(pairs: int) -> NDArray[np.int8]:
    """10,000 random sign patterns, seeded, after that of the data, which is +1 everywhere.

    Those of fewer pairs are their beginning: what a look has found stays so when more pairs come.

    Returns:
        ±1, int8 of shape (10,001, pairs).
    """
    rng = np.random.default_rng(_SEED)
    flipped = rng.integers(0, 2, (pairs, 1 + RESAMPLES), dtype=np.int8).T
    flipped[0] = 0
    return 1 - 2 * flipped


def in_order(
    by_seed: Mapping[int, float], looks: Iterable[Iterable[int]]
) -> tuple[NDArray[np.float64], list[int]]:
    """Paired differences in the order in which the looks see them.

    Args:
        by_seed: Seed → difference; a pair without a value is left out.
        looks: The seeds that each look sees, those of the earlier ones among them.

    Returns:
        The values, float64 of shape (n,), and how many of them each look sees.
    """
    seen = [[seed for seed in look if seed in by_seed] for look in looks]
    order = dict.fromkeys(itertools.chain.from_iterable(seen))
    return np.array([by_seed[seed] for seed in order], dtype=float), [len(look) for look in seen]
