"""Runs of a store, found by their tags."""

from __future__ import annotations

from collections.abc import Mapping

import mlflow
from mlflow.entities import Run


def having(wanted: Mapping[str, str], *more: str) -> str:
    """The runs with these tags, and with more conditions, in MLflow's search language."""
    return " and ".join([*(f"tags.`{name}` = '{value}'" for name, value in wanted.items()), *more])


def find_runs(
    runs: str, experiment_id: str | None = None, *, newest_first: bool = False, most: int = 50_000
) -> list[Run]:
    """Runs in the order in which they were begun.

    Args:
        runs: Which ones, in MLflow's search language; see `having`.
        experiment_id: The experiment; None for all.
        newest_first: Whether the run that was begun last is the first.
        most: How many are wanted, at most.
    """
    found = mlflow.search_runs(
        None if experiment_id is None else [experiment_id],
        runs,
        max_results=most,
        order_by=[f"attributes.start_time {'DESC' if newest_first else 'ASC'}"],
        search_all_experiments=experiment_id is None,
        output_format="list",
    )
    return list(found)
