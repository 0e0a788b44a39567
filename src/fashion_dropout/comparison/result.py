"""A comparison as numbers that other programs can analyse: a ``result.json`` without its texts.

`result.schema.json` beside this module says what each key means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fashion_dropout.comparison.detail import with_recalibrated
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.splits import widening
from fashion_dropout.comparison.statistics import CONFIDENCE, Difference
from fashion_dropout.comparison.summary import intervals, table_of
from fashion_dropout.comparison.verdict import Verdict
from fashion_dropout.config.cell import are_crossed, pair_text, seed_and_split
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import METRICS, of_pairs

SCHEMA_VERSION = 2
"""Of a result. It changes when a key gets another meaning or goes; the first results have none."""


def numbers(record: StudyRecord, comparison: Comparison) -> dict[str, Any]:
    """Everything from which the verdicts follow, and what follows, as JSON values.

    A number that does not exist, or is not finite, is None.
    """
    rule = comparison.rule
    return {
        "schema_version": SCHEMA_VERSION,
        "decision": {
            **rule.model_dump(mode="json", include=set(Decision.model_fields)),
            "spending": list(rule.spending),
        },
        "looks": {"seen": [list(seeds) for seeds in record.looks.seen], "over": record.looks.over},
        "measurements": list(_measurements(record, comparison)),
        "regime_means": list(_regime_means(record, comparison)),
        "differences": [_difference(of, rule) for of in comparison.differences],
        "verdicts": [_verdict(verdict, rule) for verdict in comparison.verdicts],
    }


def _measurements(record: StudyRecord, comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Every value that is compared, and those of the program's metrics; those at equal fit once for
    each pair, on which they depend.
    """
    rule, runs = comparison.rule, with_recalibrated(record)
    after = [str(name) for name in runs if name not in record.runs]
    declared = (rule.primary, *rule.secondary, *rule.guards)
    for metric in dict.fromkeys((*declared, *METRICS, *after)):
        if of_pairs(metric):
            for regime, table in comparison.equal_fit.items():
                partner = {regime: rule.baseline, rule.baseline: regime}
                yield from _values(table, metric, partner)
        elif metric in runs:
            yield from _values(runs, metric, dict.fromkeys(record.regimes))


def _values(
    table: pd.DataFrame, metric: str, paired_with: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    for regime, other in paired_with.items():
        own = table[table["regime"] == regime].sort_values("seed")
        for pair, value in zip(own["seed"], own[metric], strict=True):
            seed, split = seed_and_split(pair)
            yield {
                "regime": regime,
                "seed": seed,
                **({} if split is None else {"split": split}),
                "metric": metric,
                "value": _known(value),
                "paired_with": other,
            }


def _regime_means(record: StudyRecord, comparison: Comparison) -> Iterator[dict[str, Any]]:
    for metric, means in intervals(record.runs, list(record.regimes), comparison).items():
        for regime, ends in means.items():
            table = table_of(metric, regime, record.runs, comparison)
            values = table.loc[table["regime"] == regime, metric].to_numpy(dtype=float)
            yield {
                "regime": regime,
                "metric": metric,
                "n": int(np.isfinite(values).sum()),
                **dict(zip(("mean", "low", "high"), map(_known, ends), strict=True)),
                "confidence": CONFIDENCE,
            }


def _difference(difference: Difference, rule: Decision) -> dict[str, Any]:
    described = ("mean", "low", "high", "confidence", "bca_low", "bca_high", "prob_better")
    tested = ("p", "p_holm")
    return {
        "regime": difference.regime,
        "metric": difference.metric,
        "by_seed": _named(difference.by_seed),
        "direction": rule.direction_of(difference.metric),
        "n": difference.n,
        **{name: _known(getattr(difference, name)) for name in (*described, *tested)},
    }


def _verdict(verdict: Verdict, rule: Decision) -> dict[str, Any]:
    harm = ("mean", "low", "high", "confidence")
    equivalence = None
    if verdict.equivalence and verdict.equivalence_tests:
        above, below = verdict.equivalence_tests
        equivalence = {
            "low": _known(verdict.equivalence[0]),
            "high": _known(verdict.equivalence[1]),
            "confidence": _known(verdict.equivalence_confidence),
            "p_above": above.p,
            "p_below": below.p,
        }
    return {
        "regime": verdict.difference.regime,
        "kind": verdict.kind,
        "look": verdict.look,
        "test": {"p": verdict.test.p, "level": verdict.test.level} if verdict.test else None,
        "comparisons": verdict.comparisons,
        "smallest_p": verdict.smallest_p,
        "exceeds_smallest_difference": verdict.beyond,
        "equivalence": equivalence,
        "guards": [
            {
                "metric": of.difference.metric,
                "direction": rule.direction_of(of.difference.metric),
                "n": of.difference.n,
                "margin": of.margin,
                **{name: _known(getattr(of, name)) for name in harm},
                "kind": of.kind,
            }
            for of in verdict.guards
        ],
        "undefined_seeds": sorted({seed_and_split(pair)[0] for pair in verdict.undefined}),
        "mean_adjusted": _known(verdict.adjusted),
        **_splits(verdict),
    }


def _splits(verdict: Verdict) -> dict[str, Any]:
    """What covering other splits costs; nothing in a study of one split."""
    wider = widening(verdict.difference)
    names = ("seeds", "splits", "low_over_seeds", "high_over_seeds", "widening")
    return {"splits": dict(zip(names, vars(wider).values(), strict=True))} if wider else {}


def _named(by_seed: Mapping[int, float]) -> dict[int | str, float]:
    """By seed; of several splits by both, as text: ``3/1``."""
    crossed = are_crossed(by_seed)
    return {pair_text(pair) if crossed else pair: value for pair, value in by_seed.items()}


def _known(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
