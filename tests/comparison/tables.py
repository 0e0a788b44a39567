"""Made-up tables of runs for the tests of statistics and verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_dropout.comparison.verdict import Comparison, compare_regimes
from fashion_dropout.config.decision import Decision

RULE = Decision(
    primary="gap/loss",
    direction="lower",
    smallest_difference=0.02,
    alpha=0.05,
    baseline="none",
    secondary=("test/accuracy",),
)


def runs(effect: float, seeds: int = 8, noise: float = 0.005, regimes=("none", "dropout")):
    """A table in which each regime's gap differs from that of the one before by `effect`."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "regime": regime,
                "seed": seed,
                "gap/loss": 0.3 + effect * number + rng.normal(0, noise),
                "test/accuracy": 0.91 + rng.normal(0, 0.001),
                "dataset.sha256": "d",
                "weights.initial.sha256": f"w{seed}",
            }
            for seed in range(seeds)
            for number, regime in enumerate(regimes)
        ]
    )


def compared(table: pd.DataFrame, regimes=("dropout",)) -> Comparison:
    """The comparison of such a table by `RULE`."""
    return compare_regimes(table, regimes, RULE)
