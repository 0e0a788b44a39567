"""The addresses of MLflow's pages, as they are printed and stored."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import mlflow
import pytest

from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.pages import prepared, views
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store import urls
from fashion_dropout.tracking.store.connect import connect
from tracking_server import refusing, tracking_server


@pytest.fixture
def tracking_uri(workdir) -> Iterator:
    before = mlflow.get_tracking_uri()
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)


def query(path: str) -> dict[str, str]:
    """The parameters of a page of MLflow's UI, which are behind the # of its address."""
    fragment = urlsplit(path).fragment
    return {name: values[0] for name, values in parse_qs(fragment.partition("?")[2]).items()}


def recorded(**tags: str) -> str:
    """A finished run with these tags; its id."""
    with tracked_run(
        name="a run", description="", params={"primary": "val/loss", "dropout": 0.5}, tags=tags
    ) as run:
        return run.run_id


@pytest.mark.usefixtures("store")
def test_the_page_of_a_study_opens_the_view_that_the_experiment_keeps():
    both = views.of_study("smoke-0123456789ab", "gap/loss", ["dropout"])
    paths, warning = prepared.prepared("0", both)
    assert warning is None
    assert list(paths) == ["the regimes compared", "every run"]
    kept = mlflow.MlflowClient().get_experiment("0").tags
    for path in paths.values():
        assert path.startswith("/#/experiments/0/runs?")
        assert query(path)["compareRunsMode"] == "CHART"
        assert query(path)["workflowType"] == "machine_learning"
        assert views.TAG + query(path)["viewStateShareKey"] in kept


def test_every_page_is_in_the_mode_for_training():
    for page in (
        urls.run_page("7", "a" * 32),
        urls.run_page("7", "a" * 32, "report.html"),
        urls.studies_page("7"),
        urls.view_page("7", urls.SINGLE_RUNS),
    ):
        assert query(page)["workflowType"] == "machine_learning"
    assert urls.run_page("7", "abc", "report.html").startswith(
        "#/experiments/7/runs/abc/artifacts/report.html?"
    )


@pytest.mark.usefixtures("store")
def test_pages_are_found_for_a_study_for_single_runs_and_for_neither():
    connect()  # which makes the store
    with pytest.raises(UsageError, match="expected a study or a run"):
        prepared.find_pages(None)
    recorded(role="run", regime="dropout", seed="0")
    single = prepared.find_pages(None)
    assert single.shown == "runs outside of studies"
    assert views.SINGLE_RUNS in single.paths["the regimes compared"]
    recorded(role="run", regime="dropout", seed="0", study="quick-0123456789ab")
    study = recorded(role="study", study="quick-0123456789ab")
    found = prepared.find_pages(None)
    assert found == prepared.find_pages(study)
    assert found.shown == "study quick-0123456789ab"
    assert "quick-0123456789ab" in found.paths["the regimes compared"]
    assert study in found.paths["verdict, figures and report"]


@pytest.mark.slow
def test_a_server_that_may_only_be_read_gives_mlflows_own_page_and_says_why(store, workdir):
    recorded(role="run", regime="dropout", seed="0", study="quick-0123456789ab")
    study = recorded(role="study", study="quick-0123456789ab")
    with (
        tracking_server(workdir, store=store) as server,
        refusing("set-experiment-tag", server) as gate,
    ):
        mlflow.set_tracking_uri(gate)
        refused = prepared.find_pages(study)
        mlflow.set_tracking_uri(server)
        allowed = prepared.find_pages(study)
    assert list(refused.paths) == ["every run", "verdict, figures and report"]
    assert "quick-0123456789ab" in query(refused.paths["every run"])["searchFilter"]
    assert query(refused.paths["every run"])["compareRunsMode"] == "CHART"
    assert refused.warning is not None
    assert "did not take a tag of the experiment" in refused.warning
    assert allowed.warning is None
    assert "viewStateShareKey" in allowed.paths["the regimes compared"]


def test_the_line_that_opens_the_ui_hides_no_store_and_shows_no_password(tracking_uri):
    tracking_uri("http://tracking.example:5000/")
    assert urls.how_to_look_at({"this run": "/#/experiments/7/runs/abc"}) == (
        "to look at it, open\n  this run: http://tracking.example:5000/#/experiments/7/runs/abc"
    )
    tracking_uri("postgresql://me:secret@db.example/mlflow")
    assert "secret" not in urls.how_to_look_at({"this run": "/#/x"})
    assert "db.example" in urls.how_to_look_at({"this run": "/#/x"})
