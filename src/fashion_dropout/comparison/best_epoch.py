"""The regimes at the best epoch of each run: what is left of a difference with early stopping."""

from __future__ import annotations

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.config.metrics import COMPARED

_AT_BEST = ("best/val_loss", "best/val_accuracy")


def at_best_epoch(record: StudyRecord) -> dict[str, list[Difference]]:
    """Metric at the best epoch → its differences, one for each regime that has a pair.

    They decide nothing. Metrics that the study has declared are left out: they stand in the main
    table.
    """
    declared = {record.rule.primary, *record.rule.secondary}
    found = {}
    for metric in _AT_BEST:
        if metric in declared or metric not in record.runs:
            continue
        differences = [
            statistics.compare(
                record.runs,
                metric,
                regime=regime,
                baseline=record.rule.baseline,
                direction=COMPARED[metric],
                confidence=1 - record.rule.alpha,
            )
            for regime in record.others
        ]
        if shown := [one for one in differences if one.n]:
            found[metric] = shown
    return found
