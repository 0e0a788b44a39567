"""Which run of a study becomes the candidate: a regime by the verdict, a run by the median."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.config.metrics import GAIN
from fashion_dropout.config.regularizers import regularizers
from fashion_dropout.texts import Language, texts


@dataclass(frozen=True)
class Choice:
    """The regime that was chosen, and why.

    Attributes:
        reason: ``better``: the verdict names the regime. ``worse``: the regime is the baseline,
            and all others are worse. ``simpler``: the verdict names none, and the regime has the
            fewest regularizers, then the lowest dropout rate. ``declared``: the verdict names none,
            and the study declares the regime for that case.
    """

    regime: str
    reason: Literal["better", "worse", "simpler", "declared"]

    def sentence(self, language: Language = "en") -> str:
        """The choice in words."""
        return str(texts(language)["candidate"][self.reason].format(regime=self.regime))


def choose_regime(
    comparison: Comparison, regimes: Mapping[str, Mapping[str, Any]], undecided: str
) -> Choice | None:
    """Choose the regime whose model becomes the candidate.

    If the verdict calls several regimes better, the one with the best mean difference from the
    baseline is chosen. If the verdict names none, ``simpler`` chooses only among regimes that it
    does not call worse.

    Args:
        comparison: The comparison of the study's runs.
        regimes: Regime → the parameters in which the regimes differ; the baseline first.
        undecided: ``simpler``, ``nothing`` or a regime, as the study declares it.

    Returns:
        The choice; None if the verdict names no regime and the study declares ``nothing``.
    """
    rule, verdicts = comparison.rule, comparison.verdicts
    sign = GAIN[rule.direction]
    better = [verdict.difference for verdict in verdicts if verdict.kind == "better"]
    if better:
        return Choice(max(better, key=lambda difference: sign * difference.mean).regime, "better")
    worse = {verdict.difference.regime for verdict in verdicts if verdict.kind == "worse"}
    if len(worse) == len(verdicts):
        return Choice(rule.baseline, "worse")
    if undecided == "nothing":
        return None
    if undecided != "simpler":
        return Choice(undecided, "declared")
    rest = [regime for regime in regimes if regime not in worse]

    def regularized(regime: str) -> tuple[int, float]:
        return len(regularizers(regimes[regime])), regimes[regime].get("dropout", 0.0)

    return Choice(min(rest, key=regularized), "simpler")


def median_run(runs: pd.DataFrame, regime: str, metric: str) -> str:
    """The id of the median run of a regime by a loss; of the worse one if two are in the middle.

    The best run of a study looks better than its regime is. The median run does not.
    """
    ranked = runs[runs["regime"] == regime].sort_values([metric, "seed"], kind="stable")
    return str(ranked["run_id"].iloc[len(ranked) // 2])
