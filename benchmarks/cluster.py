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

from fashion_dropout.config.study import read_study
from fashion_dropout.learning.dataset import open_dataset

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from recorded import record_study

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


@click.command()
@click.option("--seeds", default=500, show_default=True)
def main(seeds: int) -> None:
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / "large.toml"
        path.write_text(STUDY.format(seeds=list(range(seeds))))
        record_study(read_study(path), dataset_sha256=open_dataset("synthetic").sha256)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "fashion_dropout", "compare", str(path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        elapsed = time.perf_counter() - began
    if f": 0 of {2 * seeds} cells to run" not in done.stdout + done.stderr:
        raise SystemExit("expected that no run is trained, received:\n" + done.stderr + done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print("\n".join(line for line in done.stdout.splitlines() if "verdict" in line))
    print(f"{2 * seeds} runs: {elapsed:.1f} s, peak memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
