"""`compare` on a finished study of 1,000 runs of 20 epochs: time and peak memory.

The runs are written into a new SQLite store by this script, not trained.

    uv run python benchmarks/large_study.py [--seeds 500]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

EPOCHS = 20
STUDY = """
name = "large"
question = "How long does a comparison of 1,000 runs take?"
dataset = "synthetic"
seeds = {seeds}
[regimes.none]
dropout = 0.0
[regimes.dropout]
dropout = 0.5
[decision]
primary = "gap/loss"
direction = "lower"
smallest_difference = 0.02
alpha = 0.05
baseline = "none"
"""


def write_runs(path: Path) -> None:
    import mlflow
    from mlflow.entities import Metric, Param, RunTag

    from fashion_dropout.study_file import METRICS, read_study
    from fashion_dropout.tracking.queries import PAIRING_TAGS
    from fashion_dropout.tracking.store import connect

    connect()
    study, client = read_study(path), mlflow.MlflowClient()
    experiment = client.create_experiment("fashion-mnist-dropout")
    rng = np.random.default_rng(0)
    for cell in study.cells():
        run_id = client.create_run(experiment, run_name=cell.name).info.run_id
        values = rng.normal(0.3 - 0.1 * cell.config.dropout, 0.05, (EPOCHS, len(METRICS)))
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, epoch)
            for epoch, row in enumerate(values, start=1)
            for name, value in zip(METRICS, row, strict=True)
        ]
        tags = {
            "role": "run",
            "study": study.key,
            "regime": cell.regime,
            "seed": str(cell.config.seed),
            **{tag: f"{tag} of {cell.config.seed}" for tag in PAIRING_TAGS},
            "dataset.sha256": "d",
            "split.sha256": "s",
        }
        client.log_batch(
            run_id,
            metrics=metrics,
            params=[Param(name, str(value)) for name, value in cell.config.model_dump().items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        client.set_terminated(run_id)


@click.command()
@click.option("--seeds", default=500, show_default=True)
def main(seeds: int) -> None:
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / "large.toml"
        path.write_text(STUDY.format(seeds=list(range(seeds))))
        write_runs(path)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "fashion_dropout", "compare", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        elapsed = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print("\n".join(line for line in done.stdout.splitlines() if "verdict" in line))
    print(f"{2 * seeds} runs: {elapsed:.1f} s, peak memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
