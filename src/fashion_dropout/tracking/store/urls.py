"""The addresses of the pages of MLflow's UI that this project opens, prints and stores."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import quote

import mlflow

from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.secrets import without_login, without_password

SINGLE_RUNS = "single-runs"
"""The key of the prepared view of the runs that belong to no study."""

_TRAINING = "workflowType=machine_learning"  # else the UI opens in its mode for language models


def run_page(experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The page of a run, or of one of its artifacts, from inside MLflow's UI."""
    page = f"#/experiments/{experiment_id}/runs/{run_id}"
    return f"{page}/artifacts/{artifact}?{_TRAINING}" if artifact else f"{page}?{_TRAINING}"


def version_page(model: str, version: str) -> str:
    """The page of a version of a registered model, from inside MLflow's UI."""
    return f"#/models/{quote(model, safe='')}/versions/{version}?{_TRAINING}"


def studies_page(experiment_id: str) -> str:
    """The page that lists the studies of an experiment, from inside MLflow's UI."""
    return table_page(experiment_id, f"tags.{tags.ROLE} = '{tags.STUDY_RUN}'")


def view_page(experiment_id: str, key: str) -> str:
    """The chart page of a prepared view, from inside MLflow's UI."""
    return (
        f"#/experiments/{experiment_id}/runs?viewStateShareKey={key}"
        f"&compareRunsMode=CHART&{_TRAINING}"
    )


def table_page(experiment_id: str, runs: str) -> str:
    """The table of runs, from inside MLflow's UI; which ones, in MLflow's search language."""
    only = quote(runs, safe="")
    return f"#/experiments/{experiment_id}/runs?searchFilter={only}&{_TRAINING}"


def how_to_look_at(paths: Mapping[str, str]) -> str:
    """What to type and which pages to open in MLflow's UI: name → path in it."""
    uri = mlflow.get_tracking_uri()
    served = uri.startswith(("http:", "https:"))
    address = without_login(uri).rstrip("/") if served else "http://127.0.0.1:5000"
    lines = [f"  {name}: {address}{path}" for name, path in paths.items()]
    command = f"mlflow ui --workers 1 --backend-store-uri {shlex.quote(without_password(uri))}"
    first = "to look at it, open" if served else f"to look at it: {command}\nthen open"
    return "\n".join([first, *lines])
