"""Whether the runs of a pair really began alike, by recorded digests, and what pairing gains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.comparison.statistics import CONFIDENCE
from fashion_dropout.config.cell import pair_text
from fashion_dropout.sameness import changes


def unpaired(
    runs: pd.DataFrame, baseline: str, within_pairs: Sequence[str], everywhere: Sequence[str]
) -> list[str]:
    """Every place where runs differ in something that they must have in common.

    Args:
        runs: A table of runs (see `statistics`) with the columns of the next two arguments.
        baseline: The regime that the others are compared with.
        within_pairs: Columns that must be equal, and not empty, in the runs of one seed.
        everywhere: Columns that must be equal in all runs.

    Returns:
        A line for each difference; an empty list if all pairs are pairs.
    """
    rows = runs[["regime", "seed", *within_pairs]].sort_values("seed", kind="stable")
    known = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
    base = {row["seed"]: row for row in known if row["regime"] == baseline}
    found = [
        f"seed {pair_text(row['seed'])}: {row['regime']} and {baseline} differ in {name}"
        for row in known
        if row["seed"] in base
        for name in within_pairs
        if changes(base[row["seed"]], row, [name]) or not row[name]
    ]
    found += [f"the runs differ in {column}" for column in everywhere if len(set(runs[column])) > 1]
    return found


def misplaced(
    runs: pd.DataFrame, seeds: Mapping[str, Sequence[int]], digests: Mapping[str, str]
) -> dict[str, list[str]]:
    """Whether what should not move is the same in all runs, and what should move differs.

    What two runs draw from a source is the same exactly if they draw it from the same seed.

    Args:
        runs: A table of runs (see `statistics`).
        seeds: Source of randomness → the seed from which each run draws.
        digests: The same sources → the column with the digest of what was drawn; empty where none
            is recorded.

    Returns:
        ``moved``: the sources of which runs of the same seed have different digests; ``still``:
        those of which runs of different seeds have the same one.
    """
    found: dict[str, list[str]] = {"moved": [], "still": []}
    for source, column in digests.items():
        if column not in runs:
            continue
        drawn = pd.DataFrame({"seed": list(seeds[source]), "digest": runs[column].to_numpy()})
        drawn = drawn[drawn["digest"] != ""].drop_duplicates()
        for kind, name in (("moved", "seed"), ("still", "digest")):
            if drawn[name].duplicated().any():
                found[kind].append(source)
    return {kind: sources for kind, sources in found.items() if sources}


def paired_seeds(runs: pd.DataFrame, regime: str, baseline: str) -> set[int]:
    """The seeds for which both regimes have a run, whatever its values."""
    own, base = (runs.loc[runs["regime"] == name, "seed"] for name in (regime, baseline))
    return {int(seed) for seed in own} & {int(seed) for seed in base}


def mixed_pairs(runs: pd.DataFrame, columns: Sequence[str]) -> list[int] | None:
    """The pairs of a table of runs that differ in columns which should be equal and need not be.

    Returns:
        The seeds of these pairs, in their order; an empty list if only runs of different pairs
        differ; None if all runs are alike.
    """
    if all(len(set(runs[column])) <= 1 for column in columns):
        return None
    values = runs.groupby("seed")[list(columns)].nunique()
    return [int(seed) for seed in values.index[(values > 1).any(axis=1)]]


def unpaired_half_width(
    first: NDArray[np.float64], second: NDArray[np.float64], confidence: float = CONFIDENCE
) -> float:
    """Half the width that the interval of the difference would have without pairs (Welch 1947).

    By hand, because SciPy's interval has other last bits, and the published figures are held to
    theirs. What pairing gains is this against the half-width over pairs (Bouthillier et al. 2021,
    arXiv 2103.03098, call for randomizing every source of variance and pairing what is compared).
    The values of the regimes are float64 of shape (n,) and (m,); the confidence is of both sides
    together.

    Returns:
        A number >= 0; NaN if one has fewer than two values.
    """
    if min(len(first), len(second)) < 2:
        return math.nan
    parts = np.array([values.var(ddof=1) / len(values) for values in (first, second)])
    if not parts.sum() > 0:
        return 0.0
    freedom = parts.sum() ** 2 / (parts**2 / (np.array([len(first), len(second)]) - 1)).sum()
    return float(stats.t.ppf((1 + confidence) / 2, freedom) * math.sqrt(parts.sum()))
