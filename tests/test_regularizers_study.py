"""The study of regularizers asks what tune.csv and the rule written before say that it must ask."""

from __future__ import annotations

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
