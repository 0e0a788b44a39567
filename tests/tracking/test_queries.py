from __future__ import annotations

import os

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.reading.queries import artifact
from fashion_dropout.tracking.recording.opening import experiment_id
from fashion_dropout.tracking.store import calls, search
from fashion_dropout.tracking.store.timeouts import FILES_SECONDS


@pytest.mark.parametrize("name", ["100%41 of it", "plain"])
def test_an_artifact_is_found_where_mlflow_has_put_it(store, workdir, name):
    """MLflow decodes the place of a file even where that is no URI."""
    place = workdir / name / "mlruns" / "1"
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment("mine", str(place)))
    client.log_text(run.info.run_id, "seen", "there.txt")
    uri = run.info.artifact_uri
    with artifact(uri, "there.txt") as found, artifact(uri, "missing.txt") as missing:
        assert found is not None
        assert (found.read_text(), missing) == ("seen", None)
    relative = os.path.relpath(found.parent)
    with artifact(relative, "there.txt") as found, artifact(relative, "missing.txt") as missing:
        assert found is not None
        assert (found.read_text(), missing) == ("seen", None)


def test_a_name_that_hides_something_is_refused_only_where_it_would_be_new(store):
    name = "a\u200db"  # a joiner that no terminal shows
    with pytest.raises(UsageError, match="characters that can be seen"):
        experiment_id(name)
    made = mlflow.MlflowClient().create_experiment(name)
    assert experiment_id(name) == made


def test_a_file_that_cannot_be_fetched_now_is_not_taken_for_missing(store, monkeypatch):
    def away(**_: object) -> None:
        raise MlflowException("API request failed with exception: Connection refused")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", away)
    monkeypatch.setattr(mlflow.artifacts, "list_artifacts", away)
    place = "mlflow-artifacts:/1/0123/artifacts"
    with pytest.raises(TrackingError, match="refused"), artifact(place, "study.json"):
        pass
    monkeypatch.setattr(mlflow.artifacts, "list_artifacts", lambda **_: [])
    with artifact(place, "study.json") as found:
        assert found is None


def test_no_run_is_left_out_however_many_there_are(store, monkeypatch):
    client = mlflow.MlflowClient()
    old, newest = client.create_run("0"), client.create_run("0")
    pages = [PagedList([old] * 500, "more") for _ in range(100)]
    pages.append(PagedList([newest], None))
    monkeypatch.setattr(mlflow.MlflowClient, "search_runs", lambda *_, **__: pages.pop(0))
    assert search.find_runs("", "0")[-1] is newest


def test_runs_come_in_pages(store, monkeypatch):
    monkeypatch.setattr(search, "_PAGE", 2)
    client, wanted = mlflow.MlflowClient(), search.having({"role": "run"})
    made = [
        client.create_run("0", start_time=n + 1, tags={"role": "run"}).info.run_id for n in range(5)
    ]
    found = [run.info.run_id for run in search.find_runs(wanted, "0")]
    newest = [run.info.run_id for run in search.find_runs(wanted, newest_first=True, most=3)]
    assert (found, newest) == (made, made[:1:-1])


@pytest.mark.usefixtures("store")
def test_every_search_for_the_runs_of_a_study_has_the_same_time(monkeypatch):
    asked: list[float] = []

    def noted(call, seconds, late=None):
        asked.append(seconds)
        return call()

    monkeypatch.setattr(calls, "bounded", noted)
    queries.finished_runs("0", "digest")
    queries.study_runs("many-0123456789ab", "0")
    queries.run_ids("0", "")
    queries.differing_parameters("0", "")
    assert asked == [FILES_SECONDS] * 4
