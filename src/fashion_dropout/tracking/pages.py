"""The addresses of the pages of MLflow's UI that this project opens, prints and stores."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from fashion_dropout.tracking import tags

_TRAINING = "&workflowType=machine_learning"  # else the UI opens in its mode for language models


@dataclass(frozen=True)
class StudyPages:
    """The pages that show a study.

    Attributes:
        study: Its key.
        uri: The store.
        paths: Name of each page → its path in MLflow's UI. The first two are opened.
    """

    study: str
    uri: str
    paths: Mapping[str, str]


def find_study(run_id: str | None) -> StudyPages:
    """The pages of a study, or of the one that was begun last if `run_id` is None.

    Raises:
        UsageError: There is no such study.
        TrackingError: The store does not answer.
    """
    import mlflow

    from fashion_dropout.tracking import queries
    from fashion_dropout.tracking.store import connect

    connect()
    run = queries.newest_study() if run_id is None else queries.study_run(run_id)
    study, experiment = run.data.tags[tags.STUDY], run.info.experiment_id
    runs = list(queries.study_runs(study, experiment)["run_id"])
    paths = comparison_pages(study, experiment, runs, run.info.run_id)
    return StudyPages(study, mlflow.get_tracking_uri(), paths)


def comparison_pages(
    study: str, experiment_id: str, run_ids: Sequence[str], study_run_id: str
) -> dict[str, str]:
    """Name of each page → its path in MLflow's UI. The first two are opened.

    Args:
        study: The study's key.
        experiment_id: The experiment of its runs.
        run_ids: The runs of its cells.
        study_run_id: The study's own run.
    """
    runs, experiments = _encoded(list(run_ids)), _encoded([experiment_id])
    return {
        "charts": f"/{chart_page(study, experiment_id)}",
        "parallel coordinates": f"/#/compare-runs?runs={runs}&experiments={experiments}{_TRAINING}",
        "val/loss": f"/#/metric?runs={runs}&metric={_encoded('val/loss')}"
        f"&experiments={experiments}&plot_metric_keys={_encoded(['val/loss'])}&x_axis=step"
        f"{_TRAINING}",
        "verdict, figures and report": run_page(experiment_id, study_run_id),
    }


def run_page(experiment_id: str, run_id: str) -> str:
    """The path of a run's own page."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}"


def chart_page(study: str, experiment_id: str) -> str:
    """The page with a chart for each metric of a study's runs, from inside MLflow's UI."""
    only = quote(f"tags.{tags.STUDY} = '{study}' and tags.{tags.ROLE} = '{tags.RUN}'", safe="")
    return (
        f"#/experiments/{experiment_id}/runs?searchFilter={only}&compareRunsMode=CHART{_TRAINING}"
    )


def how_to_look_at(experiment_id: str, run_id: str) -> str:
    """What to type and which page to open to see a run in MLflow's UI."""
    import mlflow

    from fashion_dropout.tracking.secrets import without_login, without_password

    uri = mlflow.get_tracking_uri()
    page = run_page(experiment_id, run_id)
    if uri.startswith(("http:", "https:")):
        return f"open {without_login(uri).rstrip('/')}{page}"
    command = f"mlflow ui --workers 1 --backend-store-uri {shlex.quote(without_password(uri))}"
    return f"to look at it: {command}\n  then open http://127.0.0.1:5000{page}"


def _encoded(value: object) -> str:
    return quote(json.dumps(value, separators=(",", ":")), safe="")
