"""The study of regularizers asks what tune.csv and the rule written before say that it must ask."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pandas as pd

from conftest import ROOT
from fashion_dropout.config.study import read_study

FOLDER = ROOT / "experiments/regularizers"
FAMILIES = {
    "decay": ["decay-0.05", "decay-0.2", "decay-0.8"],
    "smoothing": ["smoothing-0.05", "smoothing-0.1"],
    "flip-and-shift": ["flip-and-shift-1", "flip-and-shift-2"],
    "dropout": ["dropout"],
}


def test_strengths_and_the_best_two_follow_from_the_declared_trials():
    tune, study = (read_study(FOLDER / f"{name}.toml") for name in ("tune", "regularizers"))
    runs = pd.read_csv(FOLDER / "tune.csv")
    assert sorted(set(runs["regime"])) == sorted(tune.regimes)
    assert sorted(set(runs["seed"])) == sorted(tune.seeds)
    assert not set(tune.seeds) & set(study.seeds)
    means = runs.groupby("regime")["best/val_loss"].mean()
    chosen = {name: str(means[trials].idxmin()) for name, trials in FAMILIES.items()}
    own = {name: tune.regimes[trial] for name, trial in chosen.items()}
    for name, parameters in own.items():
        assert study.regimes[name] == parameters
    first, second = sorted(FAMILIES, key=lambda name: means[chosen[name]])[:2]
    assert study.regimes[f"{first}-and-{second}"] == own[first] | own[second]
    assert study.regimes["plain"] == {}
    assert set(study.regimes["patience"]) == {"patience"}
    assert len(study.regimes) == len(FAMILIES) + 3


def test_the_page_claims_no_more_than_its_numbers_show():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    add_up = runpy.run_path(str(ROOT / "benchmarks/add_up.py"))
    result = json.loads((FOLDER / "regularizers/result.json").read_text(encoding="utf-8"))
    of = {
        one["regime"]: np.array(list(one["by_seed"].values()))
        for one in result["differences"]
        if one["metric"] == "best/val_loss"
    }
    both, alone = add_up["parts"](result["regimes"], "plain")
    mean, half = add_up["interaction"](of[both], [of[one] for one in alone])
    assert mean - half < 0 < mean + half
    assert "Whether two add up stays open" in page and "do not add up" not in page
    assert sorted(round(value, 3) for value in of["patience"]) == [0] * 6 + [0.001, 0.016]
    assert "by 0.001 and 0.016" in page


def test_the_page_on_dropout_leads_to_the_rule_that_stops_early():
    page = (ROOT / "experiments/dropout/README.md").read_text(encoding="utf-8")
    assert "A rule that stops early\nwas not tried." not in page
    assert "(../regularizers/README.md#what-it-says)" in page
