"""Whether the runs of a pair really began alike: shown from recorded digests, never assumed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


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
    base = runs[runs["regime"] == baseline].set_index("seed")
    paired = runs[runs["seed"].isin(base.index)].sort_values("seed", kind="stable")
    found = []
    for column in within_pairs:
        differs = (paired[column] != paired["seed"].map(base[column])) | (paired[column] == "")
        found += [
            f"seed {run.seed}: {run.regime} and {baseline} differ in {column}"
            for run in paired[differs].itertuples()
        ]
    found += [f"the runs differ in {column}" for column in everywhere if len(set(runs[column])) > 1]
    return found


def mixed_pairs(runs: pd.DataFrame, columns: Sequence[str]) -> list[int] | None:
    """The pairs whose runs differ in something that should be equal and need not be.

    Args:
        runs: A table of runs (see `statistics`).
        columns: What should be equal in all runs.

    Returns:
        The seeds of these pairs, in their order; an empty list if only runs of different pairs
        differ; None if all runs are alike.
    """
    if all(len(set(runs[column])) <= 1 for column in columns):
        return None
    values = runs.groupby("seed")[list(columns)].nunique()
    return [int(seed) for seed in values.index[(values > 1).any(axis=1)]]
