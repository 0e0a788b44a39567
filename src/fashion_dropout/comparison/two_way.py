"""Seeds crossed with splits: the mean difference for other seeds and other splits.

The pairs of one seed share its random numbers, those of one split its images, so pairs are not
independent of each other. The differences d of S seeds and K splits are a two-way layout without
replication, with random effects: d[s, k] = μ + a[s] + b[k] + e[s, k]. The variance of their mean is
var(a)/S + var(b)/K + var(e)/(S·K), and by the expected mean squares of the layout

    (MS_seeds + MS_splits − MS_rest) / (S·K)

estimates it (Searle, Casella and McCulloch 1992, *Variance Components*, chapter 4; Brennan 2001,
*Generalizability Theory*, p × i designs). That can be too small by chance, even below zero: it is
never taken for less than the largest of the three mean squares gives alone. The interval is that of
Student's t with min(S, K) − 1 degrees of freedom, the fewest that any part of the variance is known
from. `benchmarks/splits.py` simulates its coverage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.config.cell import are_crossed, pair_number, seed_and_split


@dataclass(frozen=True)
class TwoWay:
    """The means of tables of seeds × splits, and how well they are known.

    Attributes:
        mean: Of each table, float64 of shape (tables,).
        error: The standard error of each mean.
        freedom: The degrees of freedom of its t distribution; 0 without an interval.
    """

    mean: NDArray[np.float64]
    error: NDArray[np.float64]
    freedom: int

    def interval(self, confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ends of the interval of each mean; NaN for one seed or one split."""
        half = stats.t.ppf((1 + confidence) / 2, self.freedom) * self.error
        return self.mean - half, self.mean + half

    def above(self, value: float) -> float:
        """The one-sided p of the first mean being above a value; 1 for one seed or one split."""
        return self._tail(self.mean[0] - value)

    @property
    def p(self) -> float:
        """The two-sided p of the first mean being other than 0; 1 for one seed or one split."""
        return min(1.0, 2 * self._tail(abs(self.mean[0])))

    def _tail(self, beyond: float) -> float:
        if not self.freedom or not (beyond or self.error[0] > 0):
            return 1.0
        t = beyond / self.error[0] if self.error[0] > 0 else math.copysign(math.inf, beyond)
        return max(float(stats.t.sf(t, self.freedom)), _LEAST)


_LEAST = 1e-300  # no p is 0


def two_way(tables: NDArray[np.float64]) -> TwoWay:
    """The mean of each table over its seeds and splits; the tables are float64 of shape (tables,
    seeds, splits).
    """
    count, seeds, splits = tables.shape
    mean = tables.mean(axis=(1, 2)) if tables.size else np.full(count, math.nan)
    if min(seeds, splits) < 2:
        return TwoWay(mean, np.full(count, math.nan), 0)
    of_seeds = tables.mean(axis=2) - mean[:, None]
    of_splits = tables.mean(axis=1) - mean[:, None]
    rest = tables - mean[:, None, None] - of_seeds[:, :, None] - of_splits[:, None, :]
    squares = np.stack(
        [
            splits * (of_seeds**2).sum(axis=1) / (seeds - 1),
            seeds * (of_splits**2).sum(axis=1) / (splits - 1),
            (rest**2).sum(axis=(1, 2)) / ((seeds - 1) * (splits - 1)),
        ]
    )
    estimate = squares[0] + squares[1] - squares[2]
    variance = np.maximum(estimate, squares.max(axis=0)) / (seeds * splits)
    return TwoWay(mean, np.sqrt(variance), min(seeds, splits) - 1)


def complete(pairs: Iterable[int]) -> tuple[list[int], list[int]]:
    """The seeds that have a pair with each split, and the splits: a layout without holes."""
    splits_of: dict[int, set[int]] = {}
    for pair in pairs:
        seed, split = seed_and_split(pair)
        assert split is not None, "pairs of a study of several splits"
        splits_of.setdefault(seed, set()).add(split)
    splits = sorted(set().union(*splits_of.values()))
    return sorted(seed for seed, of in splits_of.items() if len(of) == len(splits)), splits


def whole(by_pair: Mapping[int, float]) -> dict[int, float]:
    """The values without those of seeds that lack one of the splits, where there are several."""
    if not are_crossed(by_pair):
        return dict(by_pair)
    seeds = set(complete(by_pair)[0])
    return {pair: value for pair, value in by_pair.items() if seed_and_split(pair)[0] in seeds}


def layout(by_pair: Mapping[int, float]) -> NDArray[np.float64]:
    """The values of pairs as one table, float64 of shape (1, seeds, splits); see `complete`."""
    return layouts(pd.DataFrame([by_pair]))


def layouts(table: pd.DataFrame) -> NDArray[np.float64]:
    """A table of seeds × splits for each row of a table with a column for each pair: float64 of
    shape (rows, seeds, splits).
    """
    seeds, splits = complete(map(int, table.columns))
    pairs = [pair_number(seed, split) for seed in seeds for split in splits]
    values = table[pairs].to_numpy(dtype=float)
    return np.asarray(values.reshape(len(table), len(seeds), len(splits)))
