"""The accuracy study asks what its trials and the rule written before them say that it must ask."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from conftest import ROOT
from fashion_dropout.config.study import Study, read_study

FOLDER = ROOT / "experiments/accuracy"
ENOUGH = 0.001  # what a change must gain, by the rule


def study(name: str) -> Study:
    return read_study(FOLDER / f"{name}.toml")


def whole(declared: Study, regime: str) -> dict[str, object]:
    """Every parameter of a regime but its seed."""
    return declared.config(regime, seed=0).model_dump()


@pytest.fixture(scope="module")
def accuracy() -> dict[str, dict[str, float]]:
    """Study → regime → share of the validation images correct after the last epoch."""
    runs = pd.read_csv(FOLDER / "trials.csv")
    assert {*zip(runs["study"], runs["seed"], strict=True)} == {("trials", 200), ("finalists", 201)}
    found = {
        name: dict(zip(of["regime"], of["val/accuracy"], strict=True))
        for name, of in runs.groupby("study")
    }
    assert {name: set(of) for name, of in found.items()} == {
        name: set(study(name).regimes) for name in found
    }
    return found


def test_the_finalists_follow_from_the_trials(accuracy):
    trials, finalists, by_regime = study("trials"), study("finalists"), accuracy["trials"]
    better = [name for name, value in by_regime.items() if value >= by_regime["sketch"] + ENOUGH]
    changes: dict[str, object] = {}
    for name in better:
        assert not changes.keys() & trials.regimes[name].keys(), "no two of them exclude each other"
        changes |= trials.regimes[name]
    longer = {"epochs": 100}
    assert whole(finalists, "together") == whole(trials, "sketch") | changes | longer
    best = max(better, key=lambda name: by_regime[name])
    assert whole(finalists, "best-alone") == whole(trials, best) | longer


def test_the_recipe_is_the_better_finalist_beside_dropout_alone(accuracy):
    declared, full = study("accuracy"), read_study(ROOT / "experiments/dropout/full.toml")
    winner = max(accuracy["finalists"], key=lambda name: accuracy["finalists"][name])
    halved = {"epochs": 50}
    assert whole(declared, "recipe") == whole(study("finalists"), winner) | halved
    assert whole(declared, "dropout") == whole(full, "dropout")
    assert whole(study("champion"), "dropout") == whole(full, "dropout")
    assert set(study("champion").seeds) < set(declared.seeds)
    assert len(declared.seeds) == 10
    earlier = [200, 201, *full.seeds]
    assert not set(declared.seeds) & set(earlier)


def test_the_page_shows_every_seed_and_the_recipe():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    result = json.loads((FOLDER / "accuracy/result.json").read_text(encoding="utf-8"))
    runs = [of for of in result["measurements"] if of["metric"] == "test/accuracy"]
    assert len(runs) == 20
    for regime in ("dropout", "recipe"):
        row = re.search(rf"^\| {regime} \| (.+) \|$", page, flags=re.MULTILINE)
        assert row is not None
        shown = [int(cell.replace(",", "")) for cell in row[1].split(" | ")]
        own = sorted((of["seed"], of["value"]) for of in runs if of["regime"] == regime)
        assert shown == [round(10_000 * value) for _, value in own]
    declared = study("accuracy")
    for name, value in {**declared.base, **declared.regimes["recipe"]}.items():
        text = f'"{value}"' if isinstance(value, str) else value
        assert f"\n{name} = {text}\n" in page
        assert f"--{name.replace('_', '-')} {value}" in " ".join(page.split())


def test_every_trial_of_the_page_is_one_of_the_table(accuracy):
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| [^|]+ \| (0\.9\d{3}) \|", page, flags=re.MULTILINE)
    recorded = [value for of in accuracy.values() for value in of.values()]
    assert sorted(map(float, shown)) == sorted(recorded)
