"""One run seed, many named draws: every random choice of a run comes from a seed of its own.

The derivation uses `numpy.random.SeedSequence` and the raw output of `numpy.random.PCG64`, which
NumPy keeps the same across versions, platforms and processes (its NEP 19); the streams of
`numpy.random.Generator`, `permutation` among them, carry no such promise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _sequence(seed: int, name: str) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=tuple(name.encode()))


def derive(seed: int, name: str) -> int:
    """The seed of one named draw of a run.

    Args:
        seed: The run's seed, an integer >= 0.
        name: What is drawn: ``init/<layer>``, ``dropout/<layer>/<epoch>``, ``shuffle/<epoch>``, …

    Returns:
        An integer in [0, 2**31).
    """
    return int(_sequence(seed, name).generate_state(1)[0]) >> 1


def random_words(seed: int, name: str, count: int) -> NDArray[np.uint64]:
    """`count` random 64-bit words, uint64 of shape (count,), a pure function of (seed, name)."""
    return np.random.PCG64(_sequence(seed, name)).random_raw(count)


def permutation(seed: int, name: str, count: int) -> NDArray[np.int64]:
    """An order of the numbers 0 … count − 1, int64 of shape (count,), pure in (seed, name)."""
    return np.argsort(random_words(seed, name, count), kind="stable")
