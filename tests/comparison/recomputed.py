"""The verdicts of a ``result.json`` from its measurements and its rule, with NumPy and SciPy.

It follows docs/method.md and the schema, as somebody would who has the file only. Not recomputed
are what is drawn at random: BCa intervals, and the estimate after stopping early.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
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
    seen = {of["regime"]: result["looks"]["seen"][: of["look"]] for of in result["verdicts"]}
    tables = {
        (regime, metric): _pairs(result, regime, baseline, metric)
        for regime in others
        for metric in (rule["primary"], *rule["secondary"], *rule["guards"])
    }
    deciding = {
        (regime, metric): _pairs(result, regime, baseline, metric, seen[regime][-1:])
        for regime in others
        for metric in (rule["primary"], *rule["guards"])
    }
    for one in result["differences"]:
        of = deciding if one["metric"] == rule["primary"] else tables
        _check_difference(one, of, rule, len(others))
    primary_of, secondary = (
        [one for one in result["differences"] if (one["metric"] == rule["primary"]) is primary]
        for primary in (True, False)
    )
    tested = [one for one in secondary if one["p"] is not None]
    expected = _holm([one["p"] for one in tested])
    np.testing.assert_allclose([one["p_holm"] for one in tested], expected)
    for place, one in enumerate(primary_of):  # over the regimes, as they were at its own look
        look = seen[one["regime"]][-1:]
        pairs = [_pairs(result, of, baseline, rule["primary"], look) for of in others]
        together = _holm([_sign_flip((of["own"] - of["base"]).to_numpy()) for of in pairs])
        _same(one["p_holm"], together[place])
    for verdict, primary in zip(result["verdicts"], primary_of, strict=True):
        assert verdict["regime"] == primary["regime"]
        looks = seen[verdict["regime"]]
        if rule["looks"] and not looks:
            assert verdict["kind"] == "not shown"
            continue
        _check_verdict(verdict, primary, deciding, rule, looks)
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


def _pairs(
    result: dict[str, Any],
    regime: str,
    baseline: str,
    metric: str,
    look: list[list[int]] | None = None,
) -> pd.DataFrame:
    """Both values of each complete pair, all or those that a look has seen, indexed by seed."""
    own = _values(result, regime, baseline, metric)
    base = _values(result, baseline, regime, metric)
    seeds = sorted(own.keys() & base.keys() & set(look[0] if look else own))
    return pd.DataFrame(
        {"own": [own[of] for of in seeds], "base": [base[of] for of in seeds]}, seeds
    )


def _sign_flip(values: np.ndarray) -> float:
    """The exact two-sided p of the mean."""
    if len(values) < 2:
        return 1.0
    sums = np.array(list(itertools.product((1, -1), repeat=len(values)))) @ values
    return float((np.abs(sums) >= abs(values.sum()) - 1e-10 * np.abs(values).max()).mean())


def _tests(
    values: np.ndarray, sizes: list[int], spending: list[float], two_sided: bool
) -> list[tuple[float, float]]:
    """p and level of the sign-flip test at each look, pattern by pattern."""
    tie, found, critical = 1e-10 * np.abs(values).max(), [], []

    def statistic(signs: tuple[int, ...]) -> float:
        total = sum(sign * value for sign, value in zip(signs, values, strict=False))
        return abs(total) if two_sided else total

    for size, newly in zip(sizes, spending, strict=True):
        patterns = list(itertools.product((1, -1), repeat=size))
        reached = [statistic(pattern) for pattern in patterns]
        fresh = [
            of
            for of, pattern in zip(reached, patterns, strict=True)
            if not any(statistic(pattern[:n]) > bound + tie for n, bound in critical)
        ]
        allowed = math.floor(newly * len(patterns) + 1e-9)
        bound = sorted(fresh, reverse=True)[allowed] if allowed < len(fresh) else -math.inf
        critical.append((size, bound))
        p = np.mean([of >= reached[0] - tie for of in reached])
        found.append((float(p), float(np.mean([of > bound + tie for of in reached]))))
    return found


def _significant(tests: list[tuple[float, float]]) -> bool:
    return any(0 < p <= level for p, level in tests)


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
    one: dict[str, Any], tables: dict[Any, pd.DataFrame], rule: dict[str, Any], comparisons: int
) -> None:
    pairs = tables[one["regime"], one["metric"]]
    own, base = pairs["own"].to_numpy(), pairs["base"].to_numpy()
    differences = own - base
    assert list(map(int, one["by_seed"])) == list(pairs.index)
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
    tables: dict[Any, pd.DataFrame],
    rule: dict[str, Any],
    looks: list[list[int]],
) -> None:
    pairs, smallest = tables[verdict["regime"], rule["primary"]], rule["smallest_difference"]
    differences = (pairs["own"] - pairs["base"]).to_numpy()
    if len(differences) < 2:
        assert verdict["kind"] == "not shown"
        return
    spending = rule["spending"][: len(looks) or 1]
    each = [newly / verdict["comparisons"] for newly in spending]
    sizes = [sum(seed in pairs.index for seed in look) for look in looks] or [len(differences)]
    tests = _tests(differences, sizes, each, two_sided=True)
    assert (verdict["test"]["p"], verdict["test"]["level"]) == tests[-1]
    inside = stats.ttest_1samp(differences, 0).confidence_interval(1 - 2 * each[-1])
    one_sided = [
        _tests(shifted, sizes, each, two_sided=False)
        for shifted in (smallest + differences, smallest - differences)
    ]
    equivalence = verdict["equivalence"]
    _same(equivalence["low"], inside.low)
    _same(equivalence["high"], inside.high)
    assert [equivalence["p_above"], equivalence["p_below"]] == [of[-1][0] for of in one_sided]
    equivalent = -smallest < inside.low and inside.high < smallest
    equivalent = equivalent and all(_significant(of) for of in one_sided)
    kinds = []
    for guard in verdict["guards"]:
        pairs = tables[verdict["regime"], guard["metric"]]
        harm = -SIGN[guard["direction"]] * (pairs["own"] - pairs["base"]).to_numpy()
        limits = stats.ttest_1samp(harm, 0).confidence_interval(1 - 2 * spending[-1])
        _same(guard["mean"], harm.mean())
        _same(guard["low"], limits.low)
        _same(guard["high"], limits.high)
        kind = "no harm that matters" if limits.high < rule["guards"][guard["metric"]] else None
        kinds.append(kind or ("harm" if limits.low > 0 else "harm not excluded"))
        assert guard["kind"] == kinds[-1]
    ends = sorted(SIGN[rule["direction"]] * end for end in (primary["low"], primary["high"]))
    shown = _significant(tests) if looks else primary["p_holm"] <= rule["alpha"]
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
