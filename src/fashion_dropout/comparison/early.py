"""What stopping early does to an estimate, and what is left of it without that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.comparison.sequential import of_studies
from fashion_dropout.comparison.statistics import t_intervals
from fashion_dropout.config.decision import Decision

_STUDIES = 1_000
_FEWEST = 50
_SEED = 0


def bias_adjusted(
    values: NDArray[np.float64], sizes: Sequence[int], rule: Decision, comparisons: int = 1
) -> float:
    """The mean difference without the bias of having stopped at this look.

    A study stops early because its mean happens to lie far out (or, for equivalence, near zero),
    so the plain mean is biased. Normal studies with the mean and the variance seen are simulated;
    among those that stop at this look, the mean of the means is too far out by the conditional bias
    at these values (Fan, DeMets and Lan 2004, *Conditional bias of point estimates following a
    group sequential test*), which is subtracted. Guards are left out of the simulated rule.

    The values, float64 of shape (n,), and the sizes are as `sequential.in_order` gives them, for
    the looks up to this one.

    Returns:
        The adjusted mean; the plain one if too few simulated studies stop at this look.
    """
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    noise = np.random.default_rng(_SEED).normal(size=(_STUDIES, len(values)))
    studies = mean + deviation * noise
    decided = _decided(studies, sizes, rule, comparisons)
    here = decided[:, -1] & ~decided[:, :-1].any(axis=1)
    if here.sum() < _FEWEST:
        return mean
    return mean - (float(studies[here].mean()) - mean)


def _decided(
    studies: NDArray[np.float64], sizes: Sequence[int], rule: Decision, comparisons: int
) -> NDArray[np.bool_]:
    """Whether each study is decided at each look, as `verdict.decide` does without guards."""
    spending = [newly / comparisons for newly in rule.spending[: len(sizes)]]
    smallest = rule.smallest_difference

    def significant(values: NDArray[np.float64], two_sided: bool) -> NDArray[np.bool_]:
        p, level = of_studies(values, sizes, spending, two_sided=two_sided)
        return np.logical_or.accumulate(p <= level, axis=1)

    inside, outside = np.empty((2, len(studies), len(sizes)), dtype=bool)
    for look, (size, newly) in enumerate(zip(sizes, spending, strict=True)):
        _, low, high = t_intervals(studies[:, :size], 1 - 2 * newly)
        inside[:, look] = (-smallest < low) & (high < smallest)
        _, low, high = t_intervals(studies[:, :size], 1 - rule.alpha / comparisons)
        outside[:, look] = (low > 0) | (high < 0)
    equivalent = (
        inside
        & significant(smallest + studies, two_sided=False)
        & significant(smallest - studies, two_sided=False)
    )
    return equivalent | (outside & significant(studies, two_sided=True))
