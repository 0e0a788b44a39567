"""The addresses of MLflow's pages, as they are printed and stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import mlflow
import pytest

from fashion_dropout.tracking import pages

RUNS = ["a" * 32, "b" * 32]


@pytest.fixture
def tracking_uri(workdir) -> Iterator:
    before = mlflow.get_tracking_uri()
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)


def query(path: str) -> dict[str, str]:
    """The parameters of a page of MLflow's UI, which are behind the # of its address."""
    fragment = urlsplit(path).fragment
    return {name: values[0] for name, values in parse_qs(fragment.partition("?")[2]).items()}


def test_every_page_that_compares_a_study_names_its_runs_and_the_mode_of_the_ui():
    found = pages.comparison_pages("smoke-0123456789ab", "7", RUNS, "c" * 32)
    charts, coordinates, metric, study = found.values()
    assert query(charts)["searchFilter"] == (
        "tags.study = 'smoke-0123456789ab' and tags.role = 'run'"
    )
    assert query(charts)["compareRunsMode"] == "CHART"
    for page in (coordinates, metric):
        assert json.loads(query(page)["runs"]) == RUNS
        assert json.loads(query(page)["experiments"]) == ["7"]
    assert json.loads(query(metric)["metric"]) == "val/loss"
    assert query(metric)["x_axis"] == "step"
    for page in (charts, coordinates, metric):
        assert query(page)["workflowType"] == "machine_learning"
    assert study == f"/#/experiments/7/runs/{'c' * 32}"


def test_the_line_that_opens_the_ui_hides_no_store_and_shows_no_password(tracking_uri):
    tracking_uri("http://tracking.example:5000/")
    assert pages.how_to_look_at("7", "abc") == (
        "open http://tracking.example:5000/#/experiments/7/runs/abc"
    )
    tracking_uri("postgresql://me:secret@db.example/mlflow")
    assert "secret" not in pages.how_to_look_at("7", "abc")
    assert "db.example" in pages.how_to_look_at("7", "abc")
