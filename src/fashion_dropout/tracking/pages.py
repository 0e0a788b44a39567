"""The addresses of the pages of MLflow's UI that this project opens, prints and stores."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from mlflow.entities import Run

from fashion_dropout.tracking import tags, views

_TRAINING = "workflowType=machine_learning"  # else the UI opens in its mode for language models


@dataclass(frozen=True)
class Pages:
    """The pages that show a study, or the runs that belong to none.

    Attributes:
        shown: What they show.
        uri: The store.
        paths: Name of each page → its path in MLflow's UI. The first is opened.
        warning: Why MLflow's own page is shown and not a prepared one; None if there is no reason.
    """

    shown: str
    uri: str
    paths: Mapping[str, str]
    warning: str | None = None


def find_pages(run_id: str | None) -> Pages:
    """The pages of a study.

    Args:
        run_id: The study's own run. None for the study that was begun last; if there is none, for
            the runs that belong to no study.

    Raises:
        UsageError: There is no such study, or nothing at all to show.
        TrackingError: The store does not answer.
    """
    import mlflow

    from fashion_dropout.tracking import studies
    from fashion_dropout.tracking.existing import connect_to_existing

    connect_to_existing()
    uri = mlflow.get_tracking_uri()
    run = studies.newest_study() if run_id is None else studies.study_run(run_id)
    if run is None:
        experiment = studies.newest_run().info.experiment_id
        charts, warning = prepared_single_runs(experiment)
        return Pages("runs outside of studies", uri, charts, warning)
    study, experiment = run.data.tags[tags.STUDY], run.info.experiment_id
    charts, warning = _charts_of(run)
    report = {"verdict, figures and report": f"/{run_page(experiment, run.info.run_id)}"}
    return Pages(f"study {study}", uri, charts | report, warning)


def prepared_study(
    study: str,
    experiment_id: str,
    primary: str,
    parameters: Sequence[str],
    run_ids: Collection[str] | None = None,
) -> tuple[dict[str, str], str | None]:
    """The chart pages of a study, after their views were written into the experiment.

    Args:
        study: The study's key.
        experiment_id: The experiment of its runs.
        primary: The metric that decides.
        parameters: Those in which the regimes differ.
        run_ids: The runs to show; None for all finished runs that carry the study's key.

    Returns:
        Name of each page → its path in MLflow's UI; and a warning if the store has refused the
        views, in which case the page is MLflow's own, with a line for each run.
    """
    prepared = views.of_study(study, primary, parameters, run_ids)
    return _prepared(experiment_id, prepared, views.finished_runs_of(study))


def prepared_single_runs(experiment_id: str) -> tuple[dict[str, str], str | None]:
    """As `prepared_study`, of the runs of an experiment that belong to no study."""
    prepared = views.of_single_runs()
    return _prepared(experiment_id, prepared, prepared[0].runs)


def run_page(experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The page of a run, or of one of its artifacts, from inside MLflow's UI."""
    page = f"#/experiments/{experiment_id}/runs/{run_id}"
    return f"{page}/artifacts/{artifact}?{_TRAINING}" if artifact else f"{page}?{_TRAINING}"


def version_page(model: str, version: str) -> str:
    """The page of a version of a registered model, from inside MLflow's UI."""
    return f"#/models/{quote(model, safe='')}/versions/{version}?{_TRAINING}"


def studies_page(experiment_id: str) -> str:
    """The page that lists the studies of an experiment, from inside MLflow's UI."""
    return _table_page(experiment_id, f"tags.{tags.ROLE} = '{tags.STUDY_RUN}'")


def single_runs_page(experiment_id: str) -> str:
    """The prepared page of the runs that belong to no study, from inside MLflow's UI."""
    return views.of_single_runs()[0].page(experiment_id)


def how_to_look_at(paths: Mapping[str, str]) -> str:
    """What to type and which pages to open in MLflow's UI.

    Args:
        paths: Name of each page → its path in MLflow's UI.
    """
    import mlflow

    from fashion_dropout.tracking.secrets import without_login, without_password

    uri = mlflow.get_tracking_uri()
    served = uri.startswith(("http:", "https:"))
    address = without_login(uri).rstrip("/") if served else "http://127.0.0.1:5000"
    lines = [f"  {name}: {address}{path}" for name, path in paths.items()]
    command = f"mlflow ui --workers 1 --backend-store-uri {shlex.quote(without_password(uri))}"
    first = "to look at it, open" if served else f"to look at it: {command}\nthen open"
    return "\n".join([first, *lines])


def _charts_of(run: Run) -> tuple[dict[str, str], str | None]:
    """The chart pages of a study; the views are written if ``compare`` did not write them."""
    import mlflow

    from fashion_dropout.tracking import queries

    study, experiment = run.data.tags[tags.STUDY], run.info.experiment_id
    primary = run.data.params.get("primary", "")
    both = views.of_study(study, primary, ["dropout"])
    known = mlflow.MlflowClient().get_experiment(experiment).tags
    if all(views.TAG + view.key in known for view in both):
        return _paths(both, experiment), None
    parameters = queries.differing_parameters(experiment, views.finished_runs_of(study))
    return prepared_study(study, experiment, primary, parameters)


def _prepared(
    experiment_id: str, both: tuple[views.View, views.View], runs: str
) -> tuple[dict[str, str], str | None]:
    refused = views.prepare(experiment_id, both)
    if refused is None:
        return _paths(both, experiment_id), None
    plain = f"/{_table_page(experiment_id, runs)}&compareRunsMode=CHART"
    return {"every run": plain}, (
        "the page of the regimes could not be prepared, because the store did not take a tag of "
        f"the experiment ({refused}); somebody who may write can prepare it with `fashion-dropout "
        "ui`"
    )


def _paths(both: tuple[views.View, views.View], experiment_id: str) -> dict[str, str]:
    regimes, every_run = (f"/{view.page(experiment_id)}" for view in both)
    return {"the regimes compared": regimes, "every run": every_run}


def _table_page(experiment_id: str, runs: str) -> str:
    only = quote(runs, safe="")
    return f"#/experiments/{experiment_id}/runs?searchFilter={only}&{_TRAINING}"
