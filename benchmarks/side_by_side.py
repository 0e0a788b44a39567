"""The same commands at another commit and here, one after another on one machine: times and ratio.

Each side is a clone with an environment of its own, made by `uv sync`. Every round runs each
command on both sides, in turn the one or the other first, with an empty home and a new store.

    uv run python benchmarks/side_by_side.py 0154d15 [--rounds 3] [tests|smoke|first|train …]
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "tests": ["-m", "pytest", "--quiet"],
    "smoke": ["-m", "fashion_dropout", "compare", "experiments/dropout/smoke.toml"],
    "first": ["-m", "fashion_dropout", "compare", "experiments/dropout/first.toml"],
    "train": ["-m", "fashion_dropout", "train", "--dataset", "synthetic", "--epochs", "1"],
}


def clone(commit: str, folder: Path) -> Path:
    """A clone at a commit, with its environment; its Python."""
    for command in (
        ["git", "clone", "--quiet", str(ROOT), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", commit],
        ["uv", "sync", "--quiet", "--directory", str(folder)],
    ):
        subprocess.run(command, check=True)
    return folder / ".venv/bin/python"


def seconds(python: Path, name: str) -> float:
    """How long a command takes in its clone; a store, a home and a state folder of its own."""
    checkout = python.parents[2]
    with tempfile.TemporaryDirectory() as folder:
        dropped = ("MLFLOW_", "FASHION_", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        store = {} if name == "tests" else {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        began = time.perf_counter()
        done = subprocess.run(
            [python, *COMMANDS[name]],
            cwd=checkout,
            env={**kept, **store, "HOME": folder, "XDG_STATE_HOME": f"{folder}/state"},
            capture_output=True,
            text=True,
            check=False,
        )
        elapsed = time.perf_counter() - began
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        print(f"{name} at {checkout.name} ended with {done.returncode}: {' '.join(last)}")
    return elapsed


@click.command()
@click.argument("commit")
@click.argument("names", nargs=-1, type=click.Choice(list(COMMANDS)))
@click.option("--rounds", default=3, show_default=True)
@click.option("--warm/--cold", default=True, help="Run each command once before, unmeasured.")
def main(commit: str, names: tuple[str, ...], rounds: int, warm: bool) -> None:
    from fashion_dropout.learning.kernels import describe_machine
    from fashion_dropout.texts import Count

    print(f"{describe_machine()}\nPython {platform.python_version()}, {Count(rounds):round|rounds}")
    with tempfile.TemporaryDirectory() as folder:
        sides = [clone(commit, Path(folder) / "before"), clone("HEAD", Path(folder) / "now")]
        for name in names or COMMANDS:
            found: list[list[float]] = [[], []]
            for turn in range(-1 if warm else 0, rounds):
                for side in (0, 1) if turn % 2 else (1, 0):
                    took = seconds(sides[side], name)
                    if turn >= 0:
                        found[side].append(took)
            before, now = map(statistics.median, found)
            ratio = statistics.median(b / a for a, b in zip(*found, strict=True))
            print(f"{name}: {before:.0f} s before, {now:.0f} s now, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
