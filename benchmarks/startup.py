"""How long a user waits: for `--help`, and for the first training step on the real data.

uv run python benchmarks/startup.py [--rounds 5]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

COMMAND = [sys.executable, "-m", "fashion_dropout"]


def seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began


def seconds_to_first_step(folder: str) -> float:
    """The line “training …” is printed when the network is compiled, just before the first step."""
    began = time.perf_counter()
    with subprocess.Popen(
        [*COMMAND, "train"],
        cwd=folder,
        env={
            **{name: of for name, of in os.environ.items() if not name.startswith("MLFLOW_")},
            "FASHION_DROPOUT_STATE": str(Path(folder) / "state"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("training "):
                elapsed = time.perf_counter() - began
                process.terminate()
                return elapsed
    raise SystemExit("the run ended before its first training step")


@click.command()
@click.option("--rounds", default=5, show_default=True)
def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fresh = seconds_to_first_step(folder)  # makes the store, and the .pyc files if need be
        helps, imports, starts = [], [], []
        for _ in range(rounds):
            helps.append(seconds(*COMMAND, "--help"))
            imports.append(seconds(sys.executable, "-c", "import tensorflow"))
            starts.append(seconds_to_first_step(folder))
    more = statistics.median(s - i for s, i in zip(starts, imports, strict=True))
    print(f"--help: {statistics.median(helps):.2f} s")
    print(f"import tensorflow alone: {statistics.median(imports):.2f} s")
    print(
        f"to the first training step: {statistics.median(starts):.2f} s, {more:.2f} s more "
        f"(on a new store: {fresh:.2f} s)"
    )


if __name__ == "__main__":
    main()
