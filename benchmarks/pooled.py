"""The three editions of the published study, pooled: what all their pairs say together.

    uv run python benchmarks/pooled.py

Exploratory: no rule declared it, the editions decided by different metrics, and the third one
stopped when it was decided. The mean is over all pairs; its variance is that within editions, so
what differs between their machines does not count as noise. The interval is Student's t with as
many degrees of freedom as there are pairs, less one for each edition (stratified sampling: Cochran,
Sampling Techniques, 1977, chapter 5). Of the first edition only means and intervals are recorded,
with four decimals: its variance follows from them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

FOLDER = Path(__file__).resolve().parents[1] / "experiments/dropout"
FIRST_PAIRS = 10


@dataclass(frozen=True)
class Edition:
    """The differences of one metric in one edition: number of pairs, mean, and variance."""

    pairs: int
    mean: float
    variance: float


def first() -> dict[str, Edition]:
    """Metric → the first edition, from the table that was published then."""
    table = json.loads((FOLDER / "first-edition.json").read_text())["blocks"]["en"]["table"]
    row = re.compile(r"^\| `(\S+)` \|.*\| ([-+.\d]+) \[([-+.\d]+), ([-+.\d]+)\] p ", re.MULTILINE)
    half_widths = stats.t.ppf(0.975, FIRST_PAIRS - 1) / math.sqrt(FIRST_PAIRS)
    return {
        metric: Edition(
            FIRST_PAIRS, float(mean), ((float(high) - float(low)) / 2 / half_widths) ** 2
        )
        for metric, mean, low, high in row.findall(table)
    }


def later(name: str) -> dict[str, Edition]:
    """Metric → an edition whose pairs are recorded."""
    result = json.loads((FOLDER / name / "result.json").read_text())
    found = {}
    for difference in result["differences"]:
        values = np.array(list(difference["by_seed"].values()))
        found[difference["metric"]] = Edition(len(values), values.mean(), values.var(ddof=1))
    return found


def pooled(editions: list[Edition]) -> tuple[int, float, float]:
    """Number of all pairs, their mean, and half of its 95 % interval."""
    pairs = sum(edition.pairs for edition in editions)
    mean = sum(edition.pairs * edition.mean for edition in editions) / pairs
    error = math.sqrt(sum(edition.pairs * edition.variance for edition in editions)) / pairs
    return pairs, mean, stats.t.ppf(0.975, pairs - len(editions)) * error


def rows() -> Iterator[tuple[str, int, str]]:
    """Each metric that more than one edition has: its name, number of pairs, and the text."""
    editions = [first(), later("second-edition"), later("full")]
    for metric in editions[-1]:
        having = [edition[metric] for edition in editions if metric in edition]
        if len(having) > 1:
            pairs, mean, half = pooled(having)
            digits = 1 if metric.startswith("epochs") else 4
            ends = [f"{value:+.{digits}f}" for value in (mean, mean - half, mean + half)]
            # A number of epochs lies near its bound: it has a mean, and no interval.
            shown = ends[0] if digits == 1 else "{} [{}, {}]".format(*ends)
            yield metric, pairs, shown.replace("-", "−")


if __name__ == "__main__":
    for metric, pairs, shown in rows():
        print(f"{metric:24} {pairs:2} pairs  {shown}")
