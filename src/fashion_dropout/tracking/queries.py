"""Runs of a study, from MLflow into a table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fashion_dropout.errors import UsageError

PAIRING_TAGS = (
    "dataset.sha256",
    "split.sha256",
    "weights.initial.sha256",
    "batches.first_epoch.sha256",
)
"""What the two runs of a pair must have in common."""

_PAGE = 50_000


def get_run(run_id: str) -> Run:
    """One run.

    Raises:
        UsageError: There is none of that id in the store.
    """
    try:
        return mlflow.get_run(run_id)
    except MlflowException as error:
        raise UsageError(
            f"expected the id of a run in {mlflow.get_tracking_uri()}, received {run_id!r}"
        ) from error


def study_runs(study: str, experiment_id: str) -> pd.DataFrame:
    """The newest finished run of each cell of a study.

    Args:
        study: The study's key, as the tag ``study`` of its runs has it.
        experiment_id: Where its runs are.

    Returns:
        A row a run, with the columns run_id, regime, seed, session, `PAIRING_TAGS` and one for
        each metric; sorted by regime and seed.
    """
    runs = mlflow.search_runs(
        [experiment_id],
        f"tags.study = '{study}' and tags.role = 'run' and attributes.status = 'FINISHED'",
        max_results=_PAGE,
        order_by=["attributes.start_time ASC"],
        output_format="list",
    )
    columns = ["run_id", "regime", "seed", "session", *PAIRING_TAGS]
    table = pd.DataFrame([_row(run) for run in runs])
    if table.empty:
        return pd.DataFrame(columns=columns)
    newest = table.drop_duplicates(["regime", "seed"], keep="last")
    return newest.sort_values(["regime", "seed"], ignore_index=True)


def end_abandoned_runs(session: str, experiment_id: str, known: Collection[str]) -> list[str]:
    """Mark as KILLED what the workers of a session left RUNNING when they were killed.

    Args:
        session: The tag ``study.session`` of its runs.
        experiment_id: Where they are.
        known: Ids of the runs that still go on.

    Returns:
        The ids of the runs that were marked.
    """
    client = mlflow.MlflowClient()
    abandoned = mlflow.search_runs(
        [experiment_id],
        f"tags.`study.session` = '{session}' and tags.role = 'run' "
        "and attributes.status = 'RUNNING'",
        output_format="list",
    )
    marked = [run.info.run_id for run in abandoned if run.info.run_id not in known]
    for run_id in marked:
        client.set_tag(run_id, "error", "its worker was stopped")
        client.set_terminated(run_id, "KILLED")
    return marked


def history(run_id: str, metric: str) -> dict[int, float]:
    """Step → value of one metric of a run."""
    return {
        entry.step: entry.value
        for entry in mlflow.MlflowClient().get_metric_history(run_id, metric)
    }


def _row(run: Run) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "run_id": run.info.run_id,
        "regime": tags["regime"],
        "seed": int(tags["seed"]),
        "session": tags.get("study.session", ""),
        **{name: tags.get(name, "") for name in PAIRING_TAGS},
        **run.data.metrics,
    }
