"""Power of a study that is looked at several times: by how many pairs it is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.comparison.power import Power, signs
from fashion_dropout.config.decision import Decision

_STUDIES = 4_000
_SEED = 0


def power_at_looks(
    deviations: Mapping[str, float], rule: Decision, comparisons: int = 1
) -> tuple[Power, ...]:
    """The power of a study by each of its looks, that of the earlier ones included.

    Simulated: the sign-flip tests spend alpha over the looks as in `sequential.sign_flip_looks`,
    intervals and guards are those of `verdict.decide`. The arguments are as for `power.power`.

    Returns:
        One for each look; its probabilities never fall from look to look.
    """
    sizes, spending = rule.looks, rule.spending
    each = [newly / comparisons for newly in spending]
    rng = np.random.default_rng(_SEED)

    def noise(metric: str, unit: float) -> NDArray[np.float32]:
        """Differences of one metric, in units of what would matter; a row for each study."""
        simulated = rng.standard_normal((_STUDIES, sizes[-1]), dtype=np.float32)
        return simulated * np.float32(deviations[metric] / unit)

    primary = noise(rule.primary, rule.smallest_difference)
    shown = _crossed(primary + 1, sizes, each, two_sided=True)
    smaller = _crossed(1 + primary, sizes, each, two_sided=False)
    larger = _crossed(1 - primary, sizes, each, two_sided=False)
    guards = [
        noise(metric, margin) for metric, margin in rule.guards.items() if metric in deviations
    ]
    found, decided = [], np.zeros((3, _STUDIES), dtype=bool)
    for look, size in enumerate(sizes):
        mean, error = _mean_and_error(primary[:, :size])
        level = rule.alpha / comparisons / 2
        difference = shown[look] & (1 + mean > _t(level, size) * error)
        inside = np.abs(mean) + _t(each[look], size) * error < 1
        unharmed = difference.copy()
        for guard in guards:
            harm, uncertainty = _mean_and_error(guard[:, :size])
            unharmed &= harm + _t(spending[look], size) * uncertainty < 1
        decided |= np.stack((difference, unharmed, smaller[look] & larger[look] & inside))
        found.append(Power(size, *map(float, decided.mean(axis=1))))
    return tuple(found)


def expected_pairs(looks: Sequence[Power], decided: Sequence[float], comparisons: int = 1) -> float:
    """How many pairs a study has on average when it ends, by the probabilities that one regime is
    decided by each of its looks; it ends when all regimes are decided, here independently.
    """
    over = [0.0, *(share**comparisons for share in decided[:-1]), 1.0]
    ends = [after - before for before, after in pairwise(over)]
    return sum(look.pairs * share for look, share in zip(looks, ends, strict=True))


def _crossed(
    values: NDArray[np.float32], sizes: Sequence[int], spending: Sequence[float], *, two_sided: bool
) -> NDArray[np.bool_]:
    """Whether each study's mean has reached its critical value by each look: (looks, studies)."""
    patterns = signs(values.shape[1]).T
    patterns = patterns if two_sided else np.hstack((patterns, -patterns))
    crossed = np.zeros((len(values), patterns.shape[1]), dtype=bool)
    found = []
    for size, newly in zip(sizes, spending, strict=True):
        reached = values[:, :size] @ patterns[:size]
        if two_sided:
            np.abs(reached, out=reached)
        reached[crossed] = -np.inf
        below = patterns.shape[1] - 1 - int(newly * patterns.shape[1] + 1e-9)
        bound = np.partition(reached, below)[:, below, np.newaxis]  # that too many patterns reach
        crossed |= reached > bound + np.float32(1e-5) * np.abs(bound)  # sums in another order
        found.append(crossed[:, 0].copy())
    return np.stack(found)


def _mean_and_error(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    error = values.std(axis=1, ddof=1) / np.float32(values.shape[1] ** 0.5)
    return values.mean(axis=1), np.asarray(error)


def _t(level: float, size: int) -> float:
    return float(stats.t.ppf(1 - level, size - 1))
