"""Made-up tables of runs for the tests of statistics and verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_dropout.comparison.regimes import Comparison, compare_regimes
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


def curves(table: pd.DataFrame, epochs: int = 3) -> pd.DataFrame:
    """Made-up learning curves of the runs of a table: all fall alike, the validation loss stays
    above the training loss by the run's gap.
    """
    return pd.DataFrame(
        [
            {
                "regime": run.regime,
                "seed": run.seed,
                "epoch": epoch,
                "train/loss": 1 / epoch,
                "val/loss": 1 / epoch + run.gap,
            }
            for run in table.rename(columns={"gap/loss": "gap"}).itertuples()
            for epoch in range(1, epochs + 1)
        ]
    )


def compared(table: pd.DataFrame, regimes=("dropout",), **changes: object) -> Comparison:
    """The comparison of such a table by `RULE`, or by a rule that differs from it."""
    return compare_regimes(table, curves(table), regimes, RULE.model_copy(update=changes))
