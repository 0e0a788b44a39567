"""From a table of runs to differences, intervals and p-values: pure functions.

One convention everywhere: a *table of runs* has one row a run, the columns ``regime`` and ``seed``,
and one column for each metric. The order of its rows never matters. A difference is always
metric(regime, seed) − metric(baseline, seed). In a study of several splits, the column ``seed`` has
the numbers of pairs (see `config.cell.pair_number`), and all intervals are those of `two_way`.

Differences of paired seeds, with BCa intervals and the sign-flip test: Du 2025 (arXiv 2511.19794).
Why seeds, and with them every source of variance, are to be varied: Bouthillier et al. 2021 (arXiv
2103.03098).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.comparison import sequential
from fashion_dropout.comparison.bootstrap import bca_interval
from fashion_dropout.comparison.two_way import layout, layouts, two_way, whole
from fashion_dropout.config.cell import are_crossed
from fashion_dropout.config.metrics import GAIN, Direction

CONFIDENCE = 0.95
"""Of intervals that decide nothing: those of figures and of a regime's own mean."""


@dataclass(frozen=True)
class Difference:
    """What the pairs of two regimes say about one metric.

    Attributes:
        metric: Which one.
        regime: The regime that is compared with the baseline.
        by_seed: Seed → difference, complete pairs only, in the order of the seeds.
        mean: Mean difference; NaN without a pair.
        low: Lower end of the paired-t interval of the mean; NaN with fewer than two pairs.
        high: Its upper end.
        bca_low: Lower end of the BCa bootstrap interval of the mean; NaN of several splits.
        bca_high: Its upper end.
        p: Two-sided sign-flip permutation p-value, unadjusted; 1 without a pair. Of several splits
            that of `two_way`, and so are low and high.
        p_holm: The same, adjusted for the comparisons made beside it.
        prob_better: Share of pairs in which the regime is better than the baseline; ties count
            half.
        confidence: Of both intervals.
    """

    metric: str
    regime: str
    by_seed: Mapping[int, float]
    mean: float
    low: float
    high: float
    bca_low: float
    bca_high: float
    p: float
    p_holm: float
    prob_better: float
    confidence: float = CONFIDENCE

    @property
    def n(self) -> int:
        """Number of complete pairs."""
        return len(self.by_seed)


def paired_differences(
    runs: pd.DataFrame, metric: str, regime: str, baseline: str
) -> dict[int, float]:
    """The difference of each seed for which both regimes have a finite value.

    Args:
        runs: A table of runs, at most one row for each (regime, seed).
        metric: A column of it.
        regime: The regime that is compared.
        baseline: The one it is compared with.

    Returns:
        Seed → metric(regime, seed) − metric(baseline, seed), in the order of the seeds; of several
        splits only those of seeds that have a pair with each.

    Raises:
        ValueError: There are two rows for one (regime, seed).
    """
    table = runs.pivot(index="seed", columns="regime", values=metric)  # noqa: PD010
    table = table.reindex(columns=[regime, baseline])
    values = (table[regime] - table[baseline]).astype(float)
    finite = values[np.isfinite(values)].sort_index()
    return whole({int(str(seed)): float(value) for seed, value in finite.items()})


def compare(
    runs: pd.DataFrame,
    metric: str,
    *,
    regime: str,
    baseline: str,
    direction: Direction | None,
    confidence: float = CONFIDENCE,
) -> Difference:
    """All statistics of one metric and one pair of regimes; `p_holm` is `p` until `with_holm`.

    The direction says which values are better; None if that is not known, and then the share of
    pairs in which the regime is better is NaN. The arguments before it are those of
    `paired_differences`.
    """
    by_seed = paired_differences(runs, metric, regime, baseline)
    values = np.array(list(by_seed.values()), dtype=float)
    low, high = interval(by_seed, confidence)
    crossed = are_crossed(by_seed)
    p = two_way(layout(by_seed)).p if crossed else sign_flip_p(values)
    bca_low, bca_high = (math.nan, math.nan) if crossed else bca_interval(values, confidence)
    signs = GAIN[direction] * np.sign(values) if direction else np.full(len(values), np.nan)
    return Difference(
        metric=metric,
        regime=regime,
        by_seed=by_seed,
        mean=float(values.mean()) if len(values) else math.nan,
        low=low,
        high=high,
        bca_low=bca_low,
        bca_high=bca_high,
        p=p,
        p_holm=p,
        prob_better=float((signs + 1).mean() / 2) if len(values) else math.nan,
        confidence=confidence,
    )


def interval(by_pair: Mapping[int, float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of the mean of pairs, or of runs: by `t_interval`, of several splits `two_way`.

    Values are finite, by seed or number of a pair, as `paired_differences` gives them.
    """
    if not are_crossed(by_pair):
        return t_interval(np.array(list(by_pair.values()), dtype=float), confidence)
    low, high = two_way(layout(by_pair)).interval(confidence)
    return float(low[0]), float(high[0])


def row_intervals(
    table: pd.DataFrame,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """As `t_intervals`, of a table with a column for each seed or pair; of several splits by
    `two_way`, without seeds that lack one.
    """
    if not are_crossed(map(int, table.columns)):
        return t_intervals(table.to_numpy(dtype=float))
    found = two_way(layouts(table))
    return (found.mean, *found.interval(CONFIDENCE))


def t_interval(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of the mean of finite numbers, float64 of shape (n,), by Student's t;
    (NaN, NaN) for fewer than two values.
    """
    _, low, high = t_intervals(values[np.newaxis], confidence)
    return float(low[0]), float(high[0])


def t_intervals(
    table: NDArray[np.float64], confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each row with its t interval; by hand, as SciPy's has other last bits.

    Args:
        table: float64 of shape (rows, values); NaN where a value is missing.
        confidence: Of the intervals.

    Returns:
        (mean, low, high), each of shape (rows,); NaN where there are too few values: one for the
        mean, two for the interval.
    """
    count = np.isfinite(table).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(table, axis=1) / count
        spread = np.nansum((table - mean[:, None]) ** 2, axis=1) / (count - 1)
        half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(spread / count)
    return mean, mean - half, mean + half


def sign_flip_p(values: NDArray[np.float64]) -> float:
    """Two-sided sign-flip permutation p-value of the mean; 1 for fewer than two values.

    Exact up to 16 values (all 2ⁿ sign patterns), above that by 10,000 random ones, seeded. Neither
    the order of the values nor exchanging the regimes changes it.
    """
    if len(values) < 2:
        return 1.0
    ordered = values[np.argsort(np.abs(values), kind="stable")]
    (look,) = sequential.sign_flip_looks(ordered, [len(values)], [0.0], two_sided=True)
    return look.p


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979) of a family of p-values, in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return [float(value) for value in adjusted]


def with_holm(differences: Iterable[Difference]) -> list[Difference]:
    """The differences with their p-values adjusted as one family."""
    family = list(differences)
    adjusted = holm([difference.p for difference in family])
    return [replace(difference, p_holm=p) for difference, p in zip(family, adjusted, strict=True)]


def mean_interval(runs: pd.DataFrame, regime: str, metric: str) -> tuple[float, float, float]:
    """Mean of a metric over a regime's runs with its 95 % interval: (mean, low, high)."""
    own = runs.loc[runs["regime"] == regime].set_index("seed")[metric].astype(float)
    by_pair = whole({int(str(pair)): value for pair, value in own.items() if np.isfinite(value)})
    values = np.array(list(by_pair.values()), dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean = float(values.mean()) if len(values) else math.nan
        return (mean, *interval(by_pair))
