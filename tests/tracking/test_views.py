"""The prepared chart pages: what they show, and whether this version of MLflow knows their keys."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from fashion_dropout.tracking.pages import views
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store import tags
from recorded import OF_RUNS

STUDY = "quick-0123456789ab"
LARGEST_TAG = 5_000  # characters that MLflow 3.1 takes as the value of an experiment's tag


def state_in(text: str) -> dict[str, Any]:
    """The view that a tag keeps."""
    packed = base64.b64decode(text.removeprefix(views.COMPRESSED), validate=True)
    state: dict[str, Any] = json.loads(zlib.decompress(packed))
    return state


def kept(experiment: str) -> dict[str, dict[str, Any]]:
    """The views of an experiment: key → the view."""
    found = mlflow.get_experiment(experiment).tags
    return {
        name.removeprefix(views.TAG): state_in(value)
        for name, value in found.items()
        if name.startswith(views.TAG)
    }


def run(state: str = "FINISHED", **more: str) -> str:
    """A run that ended in `state`; its id."""
    with tracked_run(name="r", description="", params={}, tags={tags.ROLE: "run", **more}) as made:
        pass
    mlflow.MlflowClient().set_terminated(made.run_id, state)
    return made.run_id


def charts(view: views.View, section: str) -> list[str]:
    return [
        chart.get("metricKey", chart["type"])
        for chart in view.state()["compareRunCharts"]
        if chart["metricSectionId"] == section
    ]


def test_the_metric_that_decides_is_the_first_chart():
    usual, _ = views.of_study(STUDY, "gap/loss", ["dropout"])
    assert charts(usual, "curves")[:4] == ["gap/loss", "val/loss", "train/loss", "val/accuracy"]
    other, _ = views.of_study(STUDY, "val/accuracy", ["dropout"])
    assert charts(other, "curves")[:2] == ["val/accuracy", "gap/loss"]
    late, _ = views.of_study(STUDY, "test/nll", ["dropout"])
    assert charts(late, "end")[:2] == ["test/nll", "test/accuracy"]
    assert charts(usual, "end")[-1] == "PARALLEL"


def test_every_metric_has_one_chart_so_that_mlflow_adds_none(finished_run):
    client = mlflow.MlflowClient(finished_run.uri)
    (recorded,) = client.search_runs(["1"])
    measured = {name for name in recorded.data.metrics if not name.startswith("system/")}
    for primary in OF_RUNS:
        for view in views.of_study(STUDY, primary, ["dropout"]):
            drawn = [
                chart["metricKey"]
                for chart in view.state()["compareRunCharts"]
                if "metricKey" in chart
            ]
            assert sorted(drawn) == sorted(measured)


def test_grouped_runs_are_one_line_a_regime_and_single_runs_are_not_grouped():
    for regimes, every_run in (
        views.of_study(STUDY, "gap/loss", ["dropout"]),
        views.of_single_runs(),
    ):
        (key,) = regimes.state()["groupBy"]["groupByKeys"]
        assert key == {"mode": "tag", "groupByData": "regime"}
        assert every_run.state()["groupBy"] is None
        assert regimes.key != every_run.key
        assert regimes.runs == every_run.runs


def test_the_parallel_coordinates_show_what_differs():
    differing = ["dropout", "learning_rate"]
    regimes, every_run = views.of_study(STUDY, "val/loss", differing)
    for view, parameters in ((regimes, differing), (every_run, [*differing, "seed"])):
        (chart,) = (c for c in view.state()["compareRunCharts"] if c["type"] == "PARALLEL")
        assert chart["selectedParams"] == parameters
        assert chart["selectedMetrics"] == ["val/loss", "test/accuracy"]


@pytest.mark.usefixtures("store")
def test_only_finished_runs_are_shown_each_where_it_belongs():
    finished = run(study=STUDY)
    run("KILLED", study=STUDY)
    run(study="another")
    single = run()
    run("FAILED")
    experiment = mlflow.get_run(single).info.experiment_id
    (study, _), (singles, _) = views.of_study(STUDY, "gap/loss", []), views.of_single_runs()
    assert queries.run_ids(experiment, study.runs) == {finished}
    assert queries.run_ids(experiment, singles.runs) == {single}
    chosen, _ = views.of_study(STUDY, "gap/loss", [], [single, finished])
    assert queries.run_ids(experiment, chosen.runs) == {single, finished}


@pytest.mark.usefixtures("store")
def test_writing_a_view_again_changes_nothing():
    prepared = views.of_study(STUDY, "gap/loss", ["dropout"])
    assert views.prepare("0", prepared) is None
    once = kept("0")
    assert set(once) == {STUDY, f"{STUDY}.every-run"}
    assert views.prepare("0", prepared) is None
    assert kept("0") == once
    assert views.prepare("0", views.of_single_runs()) is None
    assert set(kept("0")) == {*once, views.SINGLE_RUNS, f"{views.SINGLE_RUNS}.every-run"}


@pytest.mark.usefixtures("store")
def test_a_store_that_refuses_is_a_reason_and_no_error():
    assert "404404" in str(views.prepare("404404", views.of_single_runs()))


def test_a_view_fits_into_a_tag_of_an_old_server_even_with_the_runs_of_a_large_study_named():
    assert all(len(view.text()) < LARGEST_TAG / 2 for view in views.of_single_runs())
    draw = random.Random(0)
    run_ids = [f"{draw.getrandbits(128):032x}" for _ in range(110)]
    view, _ = views.of_study(STUDY, "gap/loss", ["dropout"], run_ids)
    assert len(view.text()) < LARGEST_TAG
    assert state_in(view.text()) == view.state()


def names(value: Any) -> Iterator[str]:
    """Every key in a JSON value."""
    if isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from names(one)
    elif isinstance(value, list):
        for one in value:
            yield from names(one)


def test_the_installed_mlflow_knows_every_key_of_a_view():
    pages = Path(mlflow.__file__).parent / "server/js/build/static/js"
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(pages.glob("*.js")))
    own = {name for view in views.of_single_runs() for name in names(view.state())}
    spoken = {
        *own,
        views.TAG,
        views.COMPRESSED,
        "viewStateShareKey",
        tags.COLOUR,
        "SHOW_ALL",
        "All Runs",
    }
    spoken |= {chart["type"] for chart in views.of_single_runs()[0].state()["compareRunCharts"]}
    unknown = sorted(name for name in spoken if name not in source)
    assert not unknown, f"MLflow {mlflow.__version__} does not know {unknown} any more"
