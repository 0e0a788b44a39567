"""Which run of a study offers its model: the regime by the verdict, the seed by the median."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from fashion_dropout.comparison.texts import Language, texts
from fashion_dropout.comparison.verdict import Comparison

Reason = Literal["better", "worse", "simpler", "declared"]


@dataclass(frozen=True)
class Choice:
    """A regime, and why it.

    Attributes:
        regime: Its name.
        reason: ``better``: the verdict names it; ``worse``: all others are worse than it, the
            baseline; ``simpler``: the verdict names none, and it has the lowest dropout rate;
            ``declared``: the verdict names none, and the study declares it for that case.
    """

    regime: str
    reason: Reason

    def sentence(self, language: Language = "en") -> str:
        """The choice in words."""
        return str(texts(language)["candidate"][self.reason].format(regime=self.regime))


def choose_regime(
    comparison: Comparison, regimes: Mapping[str, Mapping[str, Any]], undecided: str
) -> Choice | None:
    """The regime whose model a study offers.

    Of several better ones it is that with the best mean difference from the baseline. Where the
    verdict names none, regimes that it calls worse are out of the question.

    Args:
        comparison: With one verdict for each regime beside the baseline.
        regimes: Regime → the parameters in which the regimes differ; the baseline first.
        undecided: ``simpler``, ``nothing`` or a regime, as the study declares it.

    Returns:
        The choice; None if the study declares that there is none.
    """
    rule, verdicts = comparison.rule, comparison.verdicts
    sign = 1 if rule.direction == "higher" else -1
    better = [verdict.difference for verdict in verdicts if verdict.kind == "better"]
    if better:
        return Choice(max(better, key=lambda one: sign * one.mean).regime, "better")
    worse = {verdict.difference.regime for verdict in verdicts if verdict.kind == "worse"}
    if len(worse) == len(verdicts):
        return Choice(rule.baseline, "worse")
    if undecided == "nothing":
        return None
    if undecided != "simpler":
        return Choice(undecided, "declared")
    rest = [regime for regime in regimes if regime not in worse]
    return Choice(min(rest, key=lambda regime: regimes[regime].get("dropout", 0.0)), "simpler")


def median_run(runs: pd.DataFrame, regime: str, metric: str) -> dict[str, Any]:
    """The run in the middle of a regime's runs; of two in the middle, the worse one.

    The luckiest run of a study looks better than its regime is; the one in the middle does not.

    Args:
        runs: A table of runs (see `statistics`).
        regime: A regime with at least one run.
        metric: A loss by which to rank them; smaller is better.

    Returns:
        The run's row.
    """
    ranked = runs[runs["regime"] == regime].sort_values([metric, "seed"], kind="stable")
    row = ranked.iloc[len(ranked) // 2].to_dict()
    return {str(name): value for name, value in row.items()}


def offered(choice: Choice, runs: pd.DataFrame, metric: str, language: Language) -> Sequence[str]:
    """How regime and seed were chosen, in words."""
    count = int((runs["regime"] == choice.regime).sum())
    words = texts(language)["candidate"]
    return (choice.sentence(language), str(words["median"].format(n=count, metric=metric)))
