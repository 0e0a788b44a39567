"""Guards: metrics of the validation split that must not suffer from what the verdict praises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.config.metrics import GAIN, Direction

Harm = Literal["no harm that matters", "harm", "harm not excluded"]


@dataclass(frozen=True)
class Guarded:
    """What the pairs say about a metric that must not suffer.

    The harm is the paired difference with the sign that makes positive values worse.

    Attributes:
        difference: The difference in the metric, regime − baseline.
        margin: The harm that would matter, in the metric's unit.
        mean: The mean harm; NaN without a pair.
        low: The lower one-sided limit of the mean harm at confidence 1 − alpha; NaN with fewer
            than two pairs.
        high: The upper one; NaN likewise.
        confidence: Of each limit.
        kind: The first that applies: ``no harm that matters`` if the upper limit is below the
            margin; ``harm`` if the lower limit is above zero; else ``harm not excluded``.
    """

    difference: Difference
    margin: float
    mean: float
    low: float
    high: float
    confidence: float
    kind: Harm


def guard(difference: Difference, margin: float, alpha: float, direction: Direction) -> Guarded:
    """Whether a metric suffers, by the paired one-sided limits of Student's t.

    All guards have to hold, so that each is tested at alpha itself (the intersection–union
    principle; Berger 1982). The margin is in the metric's unit.
    """
    sign = -GAIN[direction]
    harm = {pair: sign * value for pair, value in difference.by_seed.items()}
    # The two limits at confidence 1 − alpha are the ends of the interval at 1 − 2·alpha.
    low, high = statistics.interval(harm, 1 - 2 * alpha)
    kind: Harm = "harm not excluded"  # as where a limit is NaN
    if high < margin:
        kind = "no harm that matters"
    elif low > 0:
        kind = "harm"
    return Guarded(difference, margin, sign * difference.mean, low, high, 1 - alpha, kind)
