"""What a study takes beside its training: one run of one short epoch a worker, on a new store.

    uv run python benchmarks/fixed_cost.py

`plan` adds it to the time of the runs when it estimates what a study costs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3


def seconds() -> float:
    """From the command to its end, in a folder of its own."""
    from study_text import study_text

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "fixed.toml").write_text(study_text("fixed", [0], {"epochs": 1}))
        command = [sys.executable, "-m", "fashion_dropout", "compare", "fixed.toml"]
        kept = {name: of for name, of in os.environ.items() if not name.startswith("MLFLOW_")}
        own = {**kept, "FASHION_DROPOUT_STATE": f"{folder}/state"}
        began = time.perf_counter()
        subprocess.run(
            [*command, "--workers", "2"], cwd=folder, env=own, check=True, capture_output=True
        )
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    taken = [seconds() for _ in range(ROUNDS)]
    print(f"{statistics.median(taken):.0f} s ({min(taken):.0f} to {max(taken):.0f})")
