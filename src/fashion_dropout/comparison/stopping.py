"""Which looks a study has taken, and whether the last of them ended it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from fashion_dropout.comparison.equal_fit import at_equal_fit
from fashion_dropout.comparison.regimes import verdicts_of
from fashion_dropout.comparison.verdict import DECIDED
from fashion_dropout.config.decision import Decision


@dataclass(frozen=True)
class Looks:
    """The looks that a study has taken.

    Attributes:
        seen: The seeds that each look has seen, those of the earlier ones among them.
        over: Whether no further look comes: the last one has decided, or was the last declared.
    """

    seen: tuple[tuple[int, ...], ...] = ()
    over: bool = True


def looks_taken(
    runs: pd.DataFrame,
    histories: pd.DataFrame,
    others: Sequence[str],
    rule: Decision,
    seeds: Sequence[int],
    ended: Collection[int],
) -> Looks:
    """The looks up to the first that decides for every regime, as far as their pairs have ended.

    They follow from the declared order of the seeds and from the runs alone: whoever asks, and
    whatever else has been run, they are the same ones.

    Args:
        runs: A table of finished runs (see `statistics`).
        histories: A row for each run and epoch; see `equal_fit.at_equal_fit`.
        others: The regimes that are compared with the baseline.
        rule: The decision rule that the study declared.
        seeds: As declared.
        ended: The seeds whose cells have all ended, finished or failed.
    """
    seen: list[tuple[int, ...]] = []
    if not rule.looks:
        return Looks()
    equal_fit = {regime: at_equal_fit(histories, regime, rule.baseline) for regime in others}
    for pairs in rule.looks:
        first = tuple(seeds[:pairs])
        if not set(first) <= set(ended):
            return Looks(tuple(seen), over=False)
        seen.append(first)
        verdicts = verdicts_of(runs, equal_fit, rule, seen)
        if all(verdict.kind in DECIDED for verdict in verdicts):
            break
    return Looks(tuple(seen))
