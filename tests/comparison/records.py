"""Made-up studies for the tests of figures and report."""

from __future__ import annotations

import numpy as np
import pandas as pd

from comparison.tables import RULE
from fashion_dropout.comparison.record import Disagreements, StudyRecord, TestResults
from fashion_dropout.comparison.two_level import ImageScores

COLUMNS = ["run_id", "regime", "seed", "gap/loss", "test/accuracy", "test/nll", "test/ece"]
CLASSES = tuple(f"class {label}" for label in range(10))


def make_record(
    doses: dict[str, float] | None = None,
    seeds: int = 6,
    epochs: int = 4,
    missing: tuple[tuple[str, int], ...] = (),
    **changes: object,
) -> StudyRecord:
    """A study whose regimes have a smaller gap the larger their dose is.

    Args:
        doses: Regime → dropout rate; the baseline is "none".
        seeds: Their number.
        epochs: Their number.
        missing: (regime, seed) of the cells without a finished run.
        changes: Fields of the record that are to be others.
    """
    doses = doses or {"none": 0.0, "dropout": 0.5}
    rng = np.random.default_rng(0)
    cells, runs, histories, confusion, f1, bins, scores = [], [], [], {}, {}, [], {}
    recalibrated = []
    for seed in range(seeds):
        for regime, dose in doses.items():
            run_id = f"{regime}{seed}".ljust(32, "0")
            if (regime, seed) in missing:
                cells.append((regime, seed, run_id, "FAILED", "<it> broke & ended"))
                continue
            cells.append((regime, seed, run_id, "FINISHED", ""))
            train = np.linspace(0.6, 0.05 + 0.1 * dose, epochs) + rng.normal(0, 0.005)
            val = train + np.linspace(0, 0.3 - 0.3 * dose, epochs)
            histories.append(
                pd.DataFrame(
                    {
                        "regime": regime,
                        "seed": seed,
                        "epoch": np.arange(1, epochs + 1),
                        "train/loss": train,
                        "val/loss": val,
                        "train/accuracy": 1 - train / 3,
                        "val/accuracy": 1 - val / 3,
                    }
                )
            )
            runs.append(
                {
                    "run_id": run_id,
                    "regime": regime,
                    "seed": seed,
                    "gap/loss": val[-1] - train[-1],
                    "test/accuracy": 0.9 + rng.normal(0, 0.002),
                    "test/nll": 0.4 - 0.2 * dose + rng.normal(0, 0.01),
                    "test/ece": 0.06 - 0.06 * dose + rng.normal(0, 0.001),
                }
            )
            recalibrated.append(
                {
                    "regime": regime,
                    "seed": seed,
                    "temperature": 2 - dose,
                    "test/nll_recalibrated": 0.3 - 0.02 * dose + rng.normal(0, 0.002),
                    "test/ece_recalibrated": 0.01 + rng.normal(0, 0.001),
                }
            )
            confident = rng.uniform(0.3, 1, 200).astype(np.float32)
            correct = rng.random(200) < confident
            scores[regime, seed] = ImageScores(
                rng.exponential(0.4 - 0.2 * dose, 200).astype(np.float32),
                correct,
                confident - correct,
                np.ceil(confident * 15 - 1).astype(np.uint8),
            )
            counts = rng.integers(0, 20, (10, 10)) + 900 * np.eye(10, dtype=int)
            confusion[regime, seed] = counts
            f1[regime, seed] = rng.normal(0.9, 0.01, 10)
            centre = (np.arange(15) + 0.5) / 15
            bins.append(
                pd.DataFrame(
                    {
                        "regime": regime,
                        "seed": seed,
                        "centre": centre,
                        "confidence": centre,
                        "accuracy": np.where(centre < 0.1, np.nan, centre - 0.05),
                        "share": 1 / 15,
                    }
                )
            )
    names = list(doses)
    return StudyRecord(
        **{
            "run_id": "0" * 32,
            "key": "made-up-000000000000",
            "question": "Does <dropout> change it?",
            "begun": "2026-01-02 03:04 UTC",
            "rule": RULE,
            "regimes": {name: {"dropout": dose} for name, dose in doses.items()},
            "common": {"epochs": epochs, "dataset": "fashion-mnist"},
            "seeds": tuple(range(seeds)),
            "cells": pd.DataFrame(cells, columns=["regime", "seed", "run_id", "state", "reason"]),
            "runs": pd.DataFrame(runs, columns=COLUMNS),
            "histories": pd.concat(histories) if histories else pd.DataFrame(),
            "results": TestResults(
                CLASSES,
                confusion,
                f1,
                pd.concat(bins),
                Disagreements(
                    rng.integers(0, 255, (12, 28, 28)).astype(np.uint8),
                    np.arange(12) % 10,
                    {
                        name: rng.dirichlet(np.ones(10), 12).astype(np.float32)
                        for name in (names[0], names[-1])
                    },
                ),
                scores,
                pd.DataFrame(recalibrated),
            )
            if bins
            else None,
            "environment": {"cpu": ["a CPU"], "git.commit": ["c0ffee"], "threads": ["1"]},
            **changes,
        }  # type: ignore[arg-type]
    )
