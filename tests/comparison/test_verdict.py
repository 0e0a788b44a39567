from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from fashion_dropout.comparison import verdict
from fashion_dropout.comparison.decision import Rule

RULE = Rule("gap/loss", "lower", smallest_difference=0.02, alpha=0.05, baseline="none")
TAGS = ("dataset.sha256", "weights.initial.sha256")


def runs(effect: float, seeds: int = 8, noise: float = 0.005, regimes=("none", "dropout")):
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


def compared(table, regimes=("dropout",)):
    return verdict.compare_regimes(table, regimes, RULE, {"test/accuracy": "higher"})


@pytest.mark.parametrize(
    ("table", "kind", "words"),
    [
        (runs(-0.15), "better", "dropout is better than none: gap/loss differs by -0.1489"),
        (runs(+0.15), "worse", "dropout is worse than none"),
        (runs(0.0), "no difference that matters", "wholly inside ±0.02"),
        (runs(-0.15, seeds=5), "not shown", "5 pairs cannot give a p below 0.062"),
        (runs(0.0, noise=0.1), "not shown", "it would take about"),
        (runs(0.0, seeds=0).reindex(columns=runs(0).columns), "not shown", "no complete pair"),
    ],
)
def test_each_verdict_has_its_words_and_figures(table, kind, words):
    comparison = compared(table)
    (one,) = comparison.verdicts
    assert one.kind == kind
    said = verdict.sentence(one, RULE)
    assert words in said
    assert "\n" not in said
    if len(table):
        assert f"n = {len(table) // 2} pairs" in said


def test_two_regimes_give_short_metric_names_and_more_give_the_regime():
    two = verdict.difference_metrics(compared(runs(-0.1)))
    assert {f"diff/gap/loss/{name}" for name in ("mean", "low", "high", "bca_low", "p")} <= set(two)
    assert "diff/gap/loss/p_holm" not in two
    assert "diff/test/accuracy/p_holm" in two
    names = ("none", "low", "high")
    three = verdict.difference_metrics(compared(runs(-0.1, regimes=names), names[1:]))
    assert {"diff/low/gap/loss/p_holm", "diff/high/gap/loss/p_holm"} <= set(three)
    assert all(math.isfinite(value) for value in three.values())


def test_holm_runs_over_the_regimes_of_the_primary_metric():
    names = ("none", "low", "high")
    comparison = compared(runs(-0.1, seeds=6, regimes=names), names[1:])
    assert [one.difference.p for one in comparison.verdicts] == [0.03125, 0.03125]
    assert [one.difference.p_holm for one in comparison.verdicts] == [0.0625, 0.0625]
    assert [one.kind for one in comparison.verdicts] == ["not shown", "not shown"]


def test_the_tables_hold_every_figure():
    table = runs(-0.1)
    comparison = compared(table)
    differences = verdict.differences_table(comparison)
    assert differences["metric"].tolist() == ["gap/loss", "test/accuracy"]
    assert differences.loc[0, [f"seed {s}" for s in range(8)]].notna().all()
    summary = verdict.summary_table(table, ["none", "dropout"], comparison)
    assert list(summary.columns) == ["metric", "none", "dropout", "dropout − none"]
    assert summary.loc[0, "dropout − none"].startswith("-0.0989 [")


def test_a_metric_that_no_run_has_is_shown_as_missing():
    table = runs(-0.1).drop(columns="test/accuracy")
    comparison = compared(table)
    summary = verdict.summary_table(table, ["none", "dropout"], comparison)
    assert summary.loc[1, ["none", "dropout"]].tolist() == ["–", "–"]
    assert verdict.difference_metrics(comparison).keys().isdisjoint({"diff/test/accuracy/mean"})


def test_pairs_that_began_differently_are_found():
    table = runs(-0.1)
    assert verdict.unpaired(table, "none", TAGS) == []
    table.loc[1, "weights.initial.sha256"] = "other"
    table.loc[3, "dataset.sha256"] = ""
    found = verdict.unpaired(table, "none", TAGS)
    assert "seed 0: dropout and none differ in weights.initial.sha256" in found
    assert "seed 1: dropout and none differ in dataset.sha256" in found
    assert "the runs differ in dataset.sha256" in found
    assert verdict.unpaired(table[table["regime"] == "none"][:2], "none", TAGS) == []
