"""Rows 18 and 19: a tracking server that goes away in mid-run, and is back later or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, clean_environment, run_here
from faults.interrupting import running
from tracking_server import proxied, tracking_server

pytestmark = pytest.mark.slow

CLOCK = ("speed/", "system/")
TRAIN = ("train", "--dataset", "synthetic", "--learning-rate", "0.004", "--epochs")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    with tracking_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def proxy(server):
    with proxied(server) as proxy:
        yield proxy


@contextmanager
def training(folder: Path, address: str, epochs: int):
    environment = clean_environment(
        MLFLOW_TRACKING_URI=address,
        MLFLOW_EXPERIMENT_NAME=folder.name,  # a finished run of the same would be shown again
        FASHION_DROPOUT_STATE=str(folder / "state"),
        PYTHONUNBUFFERED="1",
        MLFLOW_ENABLE_ASYNC_LOGGING="true",  # row 54: advised by some clouds
    )
    with subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", *TRAIN, str(epochs)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process, text: str) -> list[str]:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"expected {text!r}, received {lines} and {process.stderr.read()}")


def the_run(address: str, run_id: str) -> mlflow.entities.Run:
    mlflow.set_tracking_uri(address)
    return mlflow.get_run(run_id)


def run_id_in(lines: list[str]) -> str:
    return next(line for line in lines if "; run " in line).rpartition("; run ")[2].strip()


def check_whole(address: str, run_id: str, epochs: int) -> None:
    """Every step of every metric once, all files, and the model, which loads."""
    run = the_run(address, run_id)
    assert run.info.status == "FINISHED"
    assert "error" not in run.data.tags
    client = mlflow.MlflowClient()
    for name in ("train/loss", "val/loss", "gap/accuracy"):
        steps = [metric.step for metric in client.get_metric_history(run_id, name)]
        assert steps == list(range(1, epochs + 1)), name
    (model,) = run.outputs.model_outputs
    logged = client.get_logged_model(model.model_id)
    assert logged.status == "READY"
    assert {"best/val_loss", "test/accuracy"} <= {metric.key for metric in logged.metrics}
    assert mlflow.pyfunc.load_model(f"models:/{model.model_id}").metadata.run_id == run_id
    artifacts = {found.path for found in client.list_artifacts(run_id)}
    assert {"curves.png", "history.csv", "predictions.npz", "requirements-frozen.txt"} <= artifacts
    contexts = [
        tag.value
        for given in run.inputs.dataset_inputs
        for tag in given.tags
        if tag.key == "mlflow.data.context"
    ]
    assert sorted(contexts) == ["test", "training", "validation"]
    found = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    assert len(found) == 1


def only_warning(said: str) -> None:
    (line,) = said.splitlines()
    assert line.startswith("warning: MLflow does not answer")


@pytest.mark.parametrize(
    "mode",
    [
        "drop",
        *(pytest.param(mode, marks=pytest.mark.long) for mode in ("silent", "deaf", "drip")),
    ],
)
def test_the_training_goes_on_and_all_of_it_is_delivered_when_the_server_is_back(
    tmp_path, server, proxy, mode
):
    epochs = 20
    with training(tmp_path, proxy.address, epochs) as process:
        lines = lines_until(process, " 2/20")
        proxy.mode = mode
        began = time.monotonic()
        lines_until(process, " 4/20")
        assert time.monotonic() - began < 10, "the next epoch has waited for the server"
        lines_until(process, "19/20")
        assert (tmp_path / "state/journal" / run_id_in(lines)).is_dir()
        proxy.mode = "pass"
        said, warned = process.communicate(timeout=120)
        assert process.returncode == 0, warned
        assert "test accuracy" in said
        if warned:
            only_warning(warned)
    check_whole(server, run_id_in(lines), epochs)
    assert list((tmp_path / "state/journal").iterdir()) == []


def test_a_server_that_never_comes_back_costs_exit_code_6_and_sync_delivers_later(
    tmp_path, server, proxy
):
    with training(tmp_path, proxy.address, 6) as process:
        lines = lines_until(process, " 2/6")
        proxy.mode = "drop"
        _, warned = process.communicate(timeout=120)
        assert process.returncode == 6, warned
    run_id = run_id_in(lines)
    first, error = warned.splitlines()
    only_warning(first)
    assert error.startswith("Error: ")
    assert "type `fashion-dropout sync`" in error
    assert the_run(server, run_id).info.status == "RUNNING"
    environment = {
        "MLFLOW_TRACKING_URI": proxy.address,
        "FASHION_DROPOUT_STATE": str(tmp_path / "state"),
    }
    proxy.mode = "pass"
    status = run_here("status", cwd=tmp_path, environment=environment)
    assert status.returncode == 0, status.stderr
    assert f"undelivered: dropout-seed0-synthetic, run {run_id}: " in status.stdout
    synced = run_here("sync", cwd=tmp_path, environment=environment)
    assert synced.returncode == 0, synced.stderr
    assert f"delivered dropout-seed0-synthetic, run {run_id}: " in synced.stdout
    check_whole(server, run_id, 6)
    again = run_here("sync", cwd=tmp_path, environment=environment)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert list((tmp_path / "state/journal").iterdir()) == []


def test_a_study_that_is_stopped_while_the_server_is_gone_says_that_it_was_stopped(
    tmp_path, server, proxy
):
    text = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
    (tmp_path / "study.toml").write_text(text.replace("epochs = 3", "epochs = 40"))
    environment = {
        "MLFLOW_TRACKING_URI": proxy.address,
        "MLFLOW_EXPERIMENT_NAME": tmp_path.name,
        "FASHION_DROPOUT_STATE": str(tmp_path / "state"),
    }
    with running("compare", "study.toml", cwd=tmp_path, environment=environment) as process:
        lines_until(process, "epoch 2/40")
        proxy.mode = "drop"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Error: stopped by SIGINT" in said
    assert "type `fashion-dropout sync`" in said
    proxy.mode = "pass"
    synced = run_here("sync", cwd=tmp_path, environment=environment)
    assert synced.returncode == 0, synced.stderr
    mlflow.set_tracking_uri(server)
    runs = mlflow.search_runs(experiment_names=[tmp_path.name], output_format="list")
    assert {run.info.status for run in runs} == {"KILLED"}, "the same command continues them"
