"""How long `plan` takes for the full study, which has three looks, beyond its imports.

uv run python benchmarks/plan.py [--rounds 5]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

STUDY = Path(__file__).resolve().parents[1] / "experiments/dropout/full.toml"


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Each in a process of its own.")
@click.option("--once", is_flag=True, hidden=True)
def main(rounds: int, once: bool) -> None:
    if once:
        print(*plan_once())
        return
    command = [sys.executable, __file__, "--once"]
    found = [subprocess.check_output(command, text=True).split() for _ in range(rounds)]
    took, peak = (statistics.median(map(float, column)) for column in zip(*found, strict=True))
    print(f"{took:.1f} s beyond imports, peak memory {peak:.0f} MiB")


def plan_once() -> tuple[float, float]:
    """Seconds, and the peak memory in MiB."""
    import matplotlib.backends.backend_agg  # noqa: F401
    import scipy.stats  # noqa: F401

    import fashion_dropout.reports.plots.style  # noqa: F401
    from fashion_dropout.config.study import read_study
    from fashion_dropout.studies.pilot import spread_of
    from fashion_dropout.studies.plan import Plan

    study = read_study(STUDY)
    began = time.perf_counter()
    plan = Plan(study, spread_of(study, None, None))
    assert plan.text
    plan.figure(".png", "en")
    took = time.perf_counter() - began
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
