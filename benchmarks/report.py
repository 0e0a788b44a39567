"""Building the report of a study with all its figures: time, after imports, and size.

A study of 2 × 10 runs and a sweep of 9 × 10, 20 epochs each, with the predictions of 10,000 test
images, written into a new SQLite store by this script, not trained.

    uv run python benchmarks/report.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import mlflow

from fashion_dropout.config.study import read_study
from fashion_dropout.reports import html
from fashion_dropout.reports.pictures import draw
from fashion_dropout.studies.read import read_record

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from recorded import record_study

STUDIES = Path(__file__).resolve().parents[1] / "experiments/dropout"


def main() -> None:
    declared = read_study(STUDIES / "full.toml")
    decision = declared.decision.model_copy(update={"looks": ()})
    full = declared.model_copy(update={"seeds": tuple(range(10)), "decision": decision})
    rates = {"none": 0.0, **{f"dropout-0.{tenth}": tenth / 10 for tenth in range(1, 9)}}
    regimes = {regime: {"dropout": rate} for regime, rate in rates.items()}
    for study in (full, full.model_copy(update={"name": "sweep", "regimes": regimes})):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
            run_id = record_study(study, predictions=10_000)
            began = time.perf_counter()
            record = read_record(run_id)
            comparison = record.compare()
            read = time.perf_counter()
            figures = draw(record, comparison, "en")
            drawn = time.perf_counter()
            size = len(html.render(record, comparison, figures, "en").encode())
            ended = time.perf_counter()
            os.chdir("/")
        print(
            f"{study.name}: {len(study.cells())} runs: {ended - began:.1f} s (reading and "
            f"statistics {read - began:.1f}, {len(figures)} figures {drawn - read:.1f}, page "
            f"{ended - drawn:.1f}), {size / 2**20:.2f} MiB"
        )


if __name__ == "__main__":
    main()
