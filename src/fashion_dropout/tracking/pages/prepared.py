"""The pages that show a study: their views are written into its experiment when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import Run

from fashion_dropout.tracking.pages import views
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.urls import run_page, table_page, view_page


@dataclass(frozen=True)
class Pages:
    """The pages that show a study, or the runs that belong to none.

    Attributes:
        paths: Name of each page → its path in MLflow's UI. The first is opened.
        warning: Why MLflow's own page is shown and not a prepared one; None if there is no reason.
        notes: Which study is shown, if its name leaves that open.
    """

    shown: str
    uri: str
    paths: Mapping[str, str]
    warning: str | None = None
    notes: tuple[str, ...] = ()


def find_pages(named: str | None) -> Pages:
    """The pages of a study, as `studies.named_study` knows it; unnamed, of the one that was begun
    last or, if there is none, of the runs that belong to no study.

    Raises:
        UsageError: There is no such study, or nothing at all to show.
        TrackingError: The store does not answer.
    """
    import mlflow

    from fashion_dropout.tracking.reading import studies
    from fashion_dropout.tracking.store.connect import connect_to_existing

    connect_to_existing()
    uri = mlflow.get_tracking_uri()
    notes: list[str] = []
    run = (
        studies.newest_study()
        if named is None
        else studies.study_run(studies.named_study(named, notes.append))
    )
    if run is None:
        experiment = studies.newest_run().info.experiment_id
        charts, warning = prepared(experiment, views.of_single_runs())
        return Pages("runs outside of studies", uri, charts, warning)
    study, experiment = run.data.tags[tags.STUDY], run.info.experiment_id
    charts, warning = _charts_of(run)
    report = {"verdict, figures and report": f"/{run_page(experiment, run.info.run_id)}"}
    return Pages(f"study {study}", uri, charts | report, warning, tuple(notes))


def prepared(
    experiment_id: str, both: tuple[views.View, views.View], runs: str | None = None
) -> tuple[dict[str, str], str | None]:
    """The chart pages of two views, after these were written into the experiment.

    Args:
        experiment_id: The experiment of the runs.
        both: As `views.of_study` or `views.of_single_runs` gives them.
        runs: The runs that MLflow's own page is to show if the store refuses the views, in MLflow's
            search language; None for those of the views.

    Returns:
        Name of each page → its path in MLflow's UI; and a warning if the store has refused the
        views, in which case the page is MLflow's own, with a line for each run.
    """
    refused = views.prepare(experiment_id, both)
    if refused is None:
        return _paths(both, experiment_id), None
    plain = f"/{table_page(experiment_id, runs or both[0].runs)}&compareRunsMode=CHART"
    return {"every run": plain}, (
        "the page of the regimes could not be prepared, because the store did not take a tag of "
        f"the experiment ({refused}); somebody who may write can prepare it with `fashion-dropout "
        "ui`"
    )


def _charts_of(run: Run) -> tuple[dict[str, str], str | None]:
    """The chart pages of a study; the views are written if ``compare`` did not write them."""
    from fashion_dropout.tracking.reading import queries

    study, experiment = run.data.tags[tags.STUDY], run.info.experiment_id
    primary = run.data.params.get("primary", "")
    both = views.of_study(study, primary, ["dropout"])
    if views.are_prepared(experiment, both):
        return _paths(both, experiment), None
    parameters = queries.differing_parameters(experiment, views.finished_runs_of(study))
    return prepared(experiment, views.of_study(study, primary, parameters))


def _paths(both: tuple[views.View, views.View], experiment_id: str) -> dict[str, str]:
    regimes, every_run = (f"/{view_page(experiment_id, view.key)}" for view in both)
    return {"the regimes compared": regimes, "every run": every_run}
