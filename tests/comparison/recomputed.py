"""The verdicts of a ``result.json`` from its measurements and its rule, with NumPy and SciPy.

It follows docs/method.md and the schema, as somebody would who has the file only. Looks are left
out.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from scipy import stats

import fashion_dropout

SCHEMA = json.loads(
    (Path(fashion_dropout.__file__).parent / "comparison/result.schema.json").read_text("utf-8")
)
SIGN = {"lower": -1, "higher": 1}


def check(text: str | bytes) -> list[str]:
    """Hold every figure of a result against its measurements; returns the kinds of verdict."""
    result = json.loads(text, parse_constant=lambda name: 1 / 0)  # NaN is no JSON
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(result, SCHEMA)
    assert result["schema_version"] == 2
    rule, baseline = result["decision"], result["decision"]["baseline"]
    others = list(dict.fromkeys(verdict["regime"] for verdict in result["verdicts"]))
    tables = {
        (regime, metric): _pairs(result, regime, baseline, metric)
        for regime in others
        for metric in (rule["primary"], *rule["secondary"], *rule["guards"])
    }
    for one in result["differences"]:
        _check_difference(one, tables, rule, len(others))
    families = [
        [one for one in result["differences"] if (one["metric"] == rule["primary"]) is primary]
        for primary in (True, False)
    ]
    for family in families:
        tested = [one for one in family if one["p"] is not None]
        expected = _holm([one["p"] for one in tested])
        np.testing.assert_allclose([one["p_holm"] for one in tested], expected)
    for verdict, primary in zip(result["verdicts"], families[0], strict=True):
        assert verdict["regime"] == primary["regime"]
        _check_verdict(verdict, primary, tables, rule, len(others))
    for mean in result["regime_means"]:
        _check_mean(mean, result)
    return [verdict["kind"] for verdict in result["verdicts"]]


def _values(result: dict[str, Any], regime: str, other: str, metric: str) -> dict[int, float]:
    return {
        row["seed"]: row["value"]
        for row in result["measurements"]
        if (row["regime"], row["metric"]) == (regime, metric)
        and row["paired_with"] in (None, other)
        and row["value"] is not None
    }


def _pairs(result: dict[str, Any], regime: str, baseline: str, metric: str) -> np.ndarray:
    """Both values of each complete pair, of shape (2, n): the regime's, the baseline's."""
    own = _values(result, regime, baseline, metric)
    base = _values(result, baseline, regime, metric)
    seeds = sorted(own.keys() & base.keys())
    return np.array([[of[seed] for seed in seeds] for of in (own, base)])


def _sign_flip(values: np.ndarray, two_sided: bool = True) -> float:
    signs = np.array(list(itertools.product((1, -1), repeat=len(values))))
    sums = signs @ values
    if two_sided:
        sums = np.abs(sums)
    observed = abs(values.sum()) if two_sided else values.sum()
    return float((sums >= observed - 1e-10 * np.abs(values).max()).mean())


def _holm(p_values: list[float]) -> list[float]:
    order = np.argsort(p_values, kind="stable")
    stepped = [(len(order) - rank) * p_values[index] for rank, index in enumerate(order)]
    adjusted = np.minimum(1, np.maximum.accumulate(stepped))
    return list(adjusted[np.argsort(order, kind="stable")]) if len(order) else []


def _same(received: float | None, expected: float) -> None:
    if received is None:
        assert not math.isfinite(expected)
    else:
        assert math.isclose(received, expected, rel_tol=1e-9, abs_tol=1e-12)


def _check_difference(
    one: dict[str, Any], tables: dict[Any, np.ndarray], rule: dict[str, Any], comparisons: int
) -> None:
    own, base = tables[one["regime"], one["metric"]]
    differences = own - base
    np.testing.assert_allclose(list(one["by_seed"].values()), differences)
    assert one["n"] == len(differences)
    _same(one["mean"], differences.mean() if len(differences) else math.nan)
    primary = one["metric"] == rule["primary"]
    _same(one["confidence"], 1 - rule["alpha"] / (comparisons if primary else 1))
    if one["p"] is None or len(differences) < 2:
        assert one["low"] is one["high"] is None
        return
    interval = stats.ttest_rel(own, base).confidence_interval(one["confidence"])
    _same(one["low"], interval.low)
    _same(one["high"], interval.high)
    assert one["p"] == _sign_flip(differences)
    if one["direction"] is None:
        assert one["prob_better"] is None
    else:
        better = SIGN[one["direction"]] * np.sign(differences)
        _same(one["prob_better"], ((better > 0) + 0.5 * (better == 0)).mean())


def _check_verdict(
    verdict: dict[str, Any],
    primary: dict[str, Any],
    tables: dict[Any, np.ndarray],
    rule: dict[str, Any],
    comparisons: int,
) -> None:
    own, base = tables[verdict["regime"], rule["primary"]]
    differences, smallest = own - base, rule["smallest_difference"]
    alpha = rule["alpha"] / comparisons
    if len(differences) < 2:
        assert verdict["kind"] == "not shown"
        return
    inside = stats.ttest_1samp(differences, 0).confidence_interval(1 - 2 * alpha)
    one_sided = [_sign_flip(of, False) for of in (differences + smallest, smallest - differences)]
    equivalence = verdict["equivalence"]
    _same(equivalence["low"], inside.low)
    _same(equivalence["high"], inside.high)
    assert [equivalence["p_above"], equivalence["p_below"]] == one_sided
    equivalent = -smallest < inside.low and inside.high < smallest and max(one_sided) <= alpha
    kinds = []
    for guard in verdict["guards"]:
        own, base = tables[verdict["regime"], guard["metric"]]
        margin = rule["guards"][guard["metric"]]
        harm = -SIGN[guard["direction"]] * (own - base)
        limits = stats.ttest_1samp(harm, 0).confidence_interval(1 - 2 * rule["alpha"])
        _same(guard["mean"], harm.mean())
        _same(guard["low"], limits.low)
        _same(guard["high"], limits.high)
        kind = "no harm that matters" if limits.high < margin else None
        kinds.append(kind or ("harm" if limits.low > 0 else "harm not excluded"))
        assert guard["kind"] == kinds[-1]
    ends = sorted(SIGN[rule["direction"]] * end for end in (primary["low"], primary["high"]))
    shown = primary["p_holm"] <= rule["alpha"]
    assert verdict["kind"] == _kind(shown, equivalent, ends, kinds)
    assert verdict["exceeds_smallest_difference"] == (shown and ends[0] > smallest)


def _kind(shown: bool, equivalent: bool, ends: list[float], guards: list[str]) -> str:
    if not (shown and (ends[0] > 0 or ends[1] < 0)):
        return "no difference that matters" if equivalent else "not shown"
    word = "better" if ends[0] > 0 else "worse"
    if equivalent:
        return f"{word}, by less than matters"
    if word == "worse" or set(guards) <= {"no harm that matters"}:
        return word
    return "mixed" if "harm" in guards else "better, harm not excluded"


def _check_mean(mean: dict[str, Any], result: dict[str, Any]) -> None:
    rows = [
        row["value"]
        for row in result["measurements"]
        if (row["regime"], row["metric"]) == (mean["regime"], mean["metric"])
        and row["value"] is not None
        and row["paired_with"] in (None, *(v["regime"] for v in result["verdicts"]))
    ]
    if any(row["paired_with"] for row in result["measurements"] if row["metric"] == mean["metric"]):
        return  # the baseline's values depend on the other run
    assert mean["n"] == len(rows)
    _same(mean["mean"], float(np.mean(rows)) if rows else math.nan)
