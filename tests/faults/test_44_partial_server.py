"""Row 44: a tracking server without logged models, as before MLflow 3 or behind a narrow proxy."""

from __future__ import annotations

from collections.abc import Iterator

import mlflow
import pytest
from click.testing import CliRunner

from conftest import ROOT
from fashion_dropout.cli import cli
from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.delivery import deliver_all
from fashion_dropout.tracking.recording.outbox import Journal, journals
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.store.connect import connect
from tracking_server import refusing, tracking_server

pytestmark = pytest.mark.slow

OLDER = b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
NARROW = b'{"detail": "Not Found"}'
POLICY = str(ROOT / "experiments/promotion.toml")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder) as address:
        yield address


@pytest.fixture(params=[OLDER, NARROW], ids=["older", "narrow"])
def partial(server: str, store: str, request: pytest.FixtureRequest) -> Iterator[str]:
    with refusing("logged-models", server, 404, request.param) as address:
        mlflow.set_tracking_uri(address)
        yield address


def test_it_is_refused_before_anything_is_trained(partial, server):
    for command in (
        ("train", "--dataset", "synthetic", "--epochs", "1"),
        ("compare", str(ROOT / "experiments/dropout/smoke.toml")),
        ("promote", "0" * 32, "--policy", POLICY),
        ("sync",),
    ):
        result = CliRunner().invoke(cli, command)
        assert isinstance(result.exception, TrackingError), result.output
        said = str(result.exception)
        assert said.startswith("expected a tracking server of MLflow 3 or later")
        assert partial in said
        assert "Not Found" in said
        assert "\n" not in said
    found = mlflow.MlflowClient(server).search_experiments()
    assert [experiment.name for experiment in found] == ["Default"]


def test_sync_says_what_the_store_of_another_run_lacks(partial, store, monkeypatch, workdir):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    journal = Journal(journals() / run_id, {"store": partial, "name": "a run", **this_process()})
    journal.about["process.started"] = "1.00"
    journal.write("metrics", metrics={"a": 0.5}, step=1, of_model=False, dataset=None)
    journal.close(remove=False)
    mlflow.set_tracking_uri(store)
    synced = CliRunner().invoke(cli, ["sync"])
    assert synced.exit_code == 6
    assert f"1 entry waits for {partial}: expected a tracking server of MLflow 3" in synced.output
    assert (journals() / run_id).exists()


def test_a_run_whose_server_has_become_one_keeps_its_model_and_says_why(
    server, store, monkeypatch, workdir
):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    with refusing("logged-models", server, 404, OLDER) as address:
        client = mlflow.MlflowClient(address)
        run_id = client.create_run("0").info.run_id
        about = {"store": address, "name": "a run", **this_process()}
        journal = Journal(journals() / run_id, about)
        journal.write("model", tags={}, params={}, step=1, files="files")
        with pytest.raises(TrackingError, match=r"the server is not all of MLflow 3: .*Not Found"):
            deliver_all(client, journal)
    assert journal.undelivered == 1
    journal.close(remove=True)


def test_who_may_not_read_the_models_of_others_goes_on(server, store):
    with refusing("logged-models/search", server) as address:
        mlflow.set_tracking_uri(address)
        connect()
