"""Many made-up inputs for everything that reads what comes from outside.

Each reader is tried in a process of its own, whose memory is its own. A traceback is a finding.

uv run python benchmarks/fuzz.py
uv run python benchmarks/fuzz.py --examples 100000 --target "image reader"
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def measure(target: str, examples: int) -> None:
    from fuzzing import fuzz

    began = time.monotonic()
    fuzz(target, examples)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {target} | {examples:,} | {time.monotonic() - began:,.0f} s | {peak:,.0f} MiB |")


def main() -> None:
    from fuzzing import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        measure(given.target, given.examples)
        return
    print("| reader | inputs | time | peak memory |\n| --- | --- | --- | --- |", flush=True)
    for target in [given.target] if given.target else TARGETS:
        arguments = ["--here", "--target", target, "--examples", str(given.examples)]
        subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
