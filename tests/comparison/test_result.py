"""A ``result.json`` is enough to recompute the verdicts: from it alone, with SciPy."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from comparison import recomputed
from comparison.records import make_record
from comparison.tables import RULE
from conftest import ROOT
from fashion_dropout.comparison import judge
from fashion_dropout.studies.publish import as_json, as_result, check
from fashion_dropout.texts import OF_A_TABLE

SPREAD = np.array([0.004, -0.003, 0.001, -0.004, 0.002, 0.003, -0.002, 0.0, -0.001, 0.0])


def result(
    effects: dict[str, float],
    harm: float = 0.0,
    seeds: int = 10,
    spread: float = 1,
    of_harm: float = 1,
) -> bytes:
    """The file of a study whose regimes differ from “none” by `effects` in the primary metric, and
    by `harm` in the metric that its guard is on, and how much pairs differ. One value is missing.
    """
    rows = []
    for number, (regime, effect) in enumerate({"none": 0.0, **effects}.items()):
        for seed in range(seeds):
            own = 0.3 + 0.01 * np.sin(seed)  # what the seed does to all of its runs
            moved = spread * SPREAD[(seed + 3 * number) % 10]
            rows.append(
                {
                    "run_id": f"{regime}{seed}",
                    "regime": regime,
                    "seed": seed,
                    "gap/loss": own + effect + moved,
                    "val/loss": own + (harm + of_harm * moved / 2 if regime != "none" else 0),
                    "test/accuracy": 0.9 + moved / 3 + (0.004 if regime != "none" else 0),
                    "test/nll": np.nan if (regime, seed) == ("none", 2) else own + 2 * moved,
                }
            )
    rule = RULE.model_copy(
        update={
            "guards": {"val/loss": 0.01},
            "secondary": (
                *("test/accuracy", "test/nll", "val/loss"),
                *("val/loss_over_equal_fit", "epochs_to_equal_fit"),
            ),
        }
    )
    doses = {"none": 0.0, **{regime: 0.1 * (at + 1) for at, regime in enumerate(effects)}}
    record = make_record(doses, seeds=seeds, rule=rule, runs=pd.DataFrame(rows))
    return as_json(as_result(record, record.compare(), record.regimes, {}))


@pytest.mark.parametrize(
    ("effects", "options", "kinds"),
    [
        ({"dropout": -0.05}, {}, ["better"]),
        ({"dropout": -0.05}, {"harm": 0.05}, ["mixed"]),
        ({"dropout": -0.05}, {"of_harm": 40}, ["better, harm not excluded"]),
        ({"dropout": 0.05}, {}, ["worse"]),
        ({"dropout": -0.008}, {}, ["better, by less than matters"]),
        ({"dropout": 0.0}, {}, ["no difference that matters"]),
        ({"dropout": 0.0}, {"spread": 20}, ["not shown"]),
        ({"dropout": -0.05}, {"seeds": 5}, ["not shown"]),
        ({"dropout": -0.05}, {"seeds": 1}, ["not shown"]),
        (
            {"low": -0.05, "high": 0.0001, "higher": 0.03},
            {},
            ["better", "no difference that matters", "worse"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_verdict_follows_from_the_file_alone(effects, options, kinds):
    text = result(effects, **options)
    assert recomputed.check(text) == kinds


@pytest.mark.parametrize(
    ("effects", "seeds", "kinds", "looks"),
    [
        ({"a": -0.05, "b": -0.014}, 10, ["better", "better"], [1, 2]),
        ({"a": 0.03, "b": 0.0}, 8, ["worse", "not shown"], [1, 1]),
        ({"a": 0.03, "b": 0.0}, 6, ["not shown", "not shown"], [0, 0]),
    ],
)
def test_the_verdicts_of_looks_follow_from_it_too(effects, seeds, kinds, looks):
    rows = [
        {"seed": seed, "regime": regime, "metric": metric, "value": np.sin(seed) + effect + moved}
        for number, (regime, effect) in enumerate({"none": 0.0, **effects}.items())
        for seed in range(seeds)
        for metric, moved in (
            ("loss", (1 if number < 2 else 4) * SPREAD[(seed + 3 * number) % 10]),
            ("error", 0.003 * (number > 0) + SPREAD[(2 * seed + number) % 10]),
        )
    ]
    judged = judge(
        pd.DataFrame(rows),
        baseline="none",
        metric="loss",
        smallest_difference=0.004,
        guards={"error": 0.1},
        looks=(7, 10),
        directions={"loss": "lower", "error": "lower"},
    )
    record, comparison = judged.record, judged.comparison
    text = as_json(as_result(record, comparison, record.regimes, {}, OF_A_TABLE))
    assert recomputed.check(text) == kinds
    assert [of["look"] for of in json.loads(text)["verdicts"]] == looks


def test_what_is_missing_is_null_and_the_keys_of_the_first_results_stay():
    read = json.loads(result({"dropout": -0.05}))
    lost = [row for row in read["measurements"] if row["value"] is None]
    assert [(row["metric"], row["seed"]) for row in lost] == [("test/nll", 2)]
    described = next(of for of in read["differences"] if of["metric"] == "epochs_to_equal_fit")
    assert described["p"] is described["low"] is described["bca_high"] is None
    published = json.loads((ROOT / "experiments/dropout/full/result.json").read_text("utf-8"))
    assert published.keys() <= read.keys()
    for then, now in zip(published["differences"][:1], read["differences"][:1], strict=True):
        assert then.keys() <= now.keys()
    assert published["blocks"].keys() == read["blocks"].keys()


def test_a_result_of_a_later_version_is_refused_and_one_of_the_first_is_read(tmp_path):
    folder = tmp_path / "experiments/dropout"
    home = folder / "full"
    home.mkdir(parents=True)
    (folder / "full.toml").write_bytes((ROOT / "experiments/dropout/full.toml").read_bytes())
    content = {"study": "full-0", "blocks": {}, "figures": {}}
    for version, words in ((None, "no study file"), (2, "no study file"), (3, "version 1 to 2")):
        said = {} if version is None else {"schema_version": version}
        (home / "result.json").write_text(json.dumps({**content, **said}))
        with pytest.raises(Exception, match=words):
            check(folder)


@pytest.mark.parametrize("study", ["dropout/full", "regularizers/regularizers"])
def test_the_published_verdicts_follow_from_the_published_values(study):
    result = (ROOT / "experiments" / study / "result.json").read_bytes()
    kinds = [verdict["kind"] for verdict in json.loads(result)["verdicts"]]
    assert recomputed.check(result) == kinds


def test_a_p_above_the_level_of_one_regime_can_be_significant_by_holm_and_the_schema_says_so():
    rows = [
        {"regime": regime, "seed": seed, "metric": "loss", "value": 0.3 + 0.01 * seed + effect}
        for regime, effects in {
            "none": [0.0] * 7,
            "low": [-0.05, -0.06, -0.05, -0.04, -0.05, -0.06, -0.05],
            "high": [-0.05, -0.06, -0.05, -0.04, -0.05, -0.06, 0.001],
        }.items()
        for seed, effect in enumerate(effects)
    ]
    judged = judge(
        pd.DataFrame(rows), baseline="none", metric="loss", direction="lower",
        smallest_difference=0.01,
    )  # fmt: skip
    _, high = judged.numbers["verdicts"]
    assert high["kind"] == "better" and high["test"]["p"] > high["test"]["level"]
    schema = (ROOT / "src/fashion_dropout/comparison/result.schema.json").read_text("utf-8")
    assert "With looks it decides; without, p_holm of the difference does." in schema
