"""Runs of a store, found by their tags."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

import mlflow
from mlflow.entities import Run

from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import if_there

_PAGE = 500  # runs in one answer: a server must give it within the seconds of a request


def having(wanted: Mapping[str, str], *more: str) -> str:
    """The runs with these tags, and with more conditions, in MLflow's search language."""
    return " and ".join([*(f"tags.`{name}` = '{value}'" for name, value in wanted.items()), *more])


def find_runs(
    runs: str,
    experiment_id: str | None = None,
    *,
    newest_first: bool = False,
    most: int = sys.maxsize,
    client: mlflow.MlflowClient | None = None,
) -> list[Run]:
    """Runs in the order in which they were begun.

    Args:
        runs: Which ones, in MLflow's search language; see `having`.
        experiment_id: The experiment; None for all.
        newest_first: Whether the run that was begun last is the first.
        most: How many are wanted, at most.
        client: Of another store than the one that MLflow is set to.
    """
    client, found = client or mlflow.MlflowClient(), list[Run]()
    token: str | None = None
    experiments = [experiment_id or ""]
    if experiment_id is None:
        experiments = [each.experiment_id for each in mlflow.search_experiments()]
    while experiments and len(found) < most:
        page = client.search_runs(
            experiments,
            runs,
            max_results=min(_PAGE, most - len(found)),
            order_by=[f"attributes.start_time {'DESC' if newest_first else 'ASC'}"],
            page_token=token,
        )
        found += page
        if not (token := page.token):
            break
    return found


def with_models(runs: Iterable[Run], client: mlflow.MlflowClient | None = None) -> list[Run]:
    """Runs that were found, the finished ones with their models.

    Servers before MLflow 3.6 leave the models out of what they find: there, each finished training
    run is asked for once more. One that has been deleted for good meanwhile is left out.
    """
    client = client or mlflow.MlflowClient()
    return [found for run in runs if (found := _with_models(run, client))]


def _with_models(run: Run, client: mlflow.MlflowClient) -> Run | None:
    trained = run.data.tags.get(tags.ROLE) == tags.RUN and run.info.status == "FINISHED"
    if not trained or (run.outputs and run.outputs.model_outputs):
        return run
    return if_there(lambda: client.get_run(run.info.run_id))
