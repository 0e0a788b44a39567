"""Do two regularizers add up? What both together gain, less what each gains alone.

    uv run python benchmarks/add_up.py

It reads the published study of experiments/regularizers, by point 8 of the rule there: the mean
over seeds of the difference from the baseline that both together make, less the sum of the
differences that each makes alone, with its 95 % interval by Student's t. It describes; no rule
decides by it.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "experiments/regularizers/regularizers/result.json"
METRIC = "best/val_loss"


def parts(regimes: dict[str, dict[str, Any]], baseline: str) -> tuple[str, list[str]]:
    """The regime that is two others together, and those: by what they change in the baseline."""
    changes = {
        name: {key: value for key, value in regime.items() if value != regimes[baseline].get(key)}
        for name, regime in regimes.items()
        if name != baseline
    }
    for both, changed in changes.items():
        for one, other in itertools.combinations(sorted(changes.keys() - {both}), 2):
            if changed == changes[one] | changes[other]:
                return both, [one, other]
    raise SystemExit("expected a regime that is two others together, received none")


def interaction(both: list[float], alone: list[list[float]]) -> tuple[float, float]:
    """Mean over seeds of what two regimes together change beyond the sum, and half its interval.

    Args:
        both: Differences from the baseline of both together, nats, one a seed.
        alone: The same of each alone, in the same order.
    """
    beyond = np.array(both) - np.sum(alone, axis=0)
    half = stats.t.ppf(0.975, len(beyond) - 1) * beyond.std(ddof=1) / math.sqrt(len(beyond))
    return float(beyond.mean()), float(half)


def rows() -> Iterator[tuple[str, str]]:
    """What is shown: each part, both, and both less the sum; a name and a text."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    of = {one["regime"]: one for one in result["differences"] if one["metric"] == METRIC}
    both, alone = parts(result["regimes"], result["decision"]["baseline"])
    seeds = list(of[both]["by_seed"])
    values = {name: [of[name]["by_seed"][seed] for seed in seeds] for name in (both, *alone)}
    for name in (*alone, both):
        yield name, f"{np.mean(values[name]):+.4f}".replace("-", "−")
    mean, half = interaction(values[both], [values[name] for name in alone])
    shown = f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"
    yield "beyond the sum", shown.replace("-", "−")


if __name__ == "__main__":
    for name, shown in rows():
        print(f"{name:20} {shown}")
