"""Figures of a comparison as a person reads them: with their decimals, and with a real minus."""

from __future__ import annotations

import math

from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.config import metrics
from fashion_dropout.texts import Signed


def number(metric: str, value: float, sign: str = "") -> str:
    """A finite value of a metric, with its decimals."""
    return f"{Signed(value):{sign}.{metrics.of(metric).decimals}f}"


def with_interval(of: Difference) -> str:
    """A difference with its interval, for a person."""
    return mean_text(of.metric, of.mean, of.low, of.high, sign="+")


def p_text(value: float) -> str:
    """A p-value for a person; – without one."""
    return f"{value:.2g}" if math.isfinite(value) else "–"


def mean_text(metric: str, mean: float, low: float, high: float, sign: str = "") -> str:
    """A mean with its interval, if it has one, for a person; – without a mean."""
    if not math.isfinite(mean):
        return "–"
    shown, low_end, high_end = (number(metric, value, sign) for value in (mean, low, high))
    return f"{shown} [{low_end}, {high_end}]" if math.isfinite(low) else shown
