"""Row 34: whatever is raised while the store refuses or is gone, no run is FINISHED that is not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import mlflow
import pytest
from mlflow.entities import Metric, Param

from conftest import ROOT, TRAIN, clean_environment, run_here
from fashion_dropout.config.study import read_study
from fashion_dropout.studies.cells import finished_cells
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.store import tags
from faults.interrupting import kill_after_epoch, only_run, recorded
from recorded import record_study
from tracking_server import proxied, tracking_server

PROGRAM = """
import sys
from fashion_dropout.errors import FashionDropoutError
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.connect import connect

def tracked(name):
    return tracked_run(name=name, description=name, params={"epochs": 2}, tags={"role": "run"})

connect()
try:
    with tracked("first") as run:
        run.log_metrics({"val/loss": 0.5}, step=1)
        run.settle()
        print("epoch 1", flush=True)
        sys.stdin.readline()
        raise ValueError("the loss is a banana")
except (ValueError, FashionDropoutError) as error:
    print("error", flush=True)
    sys.stdin.readline()
with tracked("second") as run:
    run.log_metrics({"val/loss": 0.25}, step=1)
print("end", flush=True)
"""
"""A worker: its first run breaks off, its second one is whole. It waits twice for a line."""


@contextmanager
def worker(folder, **environment):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=clean_environment(**environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process, line: str) -> None:
    for said in process.stdout:
        if said.strip() == line:
            return
    raise AssertionError(f"expected {line!r}, received {process.stderr.read()}")


def go_on(process) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def runs(uri: str) -> dict[str, mlflow.entities.Run]:
    mlflow.set_tracking_uri(uri)
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return {run.info.run_name: run for run in found}


def check(found: dict[str, mlflow.entities.Run]) -> None:
    assert found["first"].info.status in ("RUNNING", "FAILED")
    assert found["first"].data.metrics["val/loss"] == 0.5
    assert found["second"].info.status == "FINISHED"
    assert found["second"].data.metrics["val/loss"] == 0.25


@pytest.mark.slow
def test_a_server_that_is_back_when_the_process_ends_does_not_get_a_finished_run(tmp_path):
    with (
        tracking_server(tmp_path) as address,
        proxied(address) as proxy,
        worker(tmp_path, MLFLOW_TRACKING_URI=proxy.address) as process,
    ):
        until(process, "epoch 1")
        proxy.mode = "drop"
        go_on(process)
        until(process, "error")
        proxy.mode = "pass"
        go_on(process)
        until(process, "end")
        assert process.wait(60) == 0
        check(runs(address))


@pytest.mark.slow  # SQLite waits 20 s for a lock
def test_a_database_that_is_unlocked_when_the_process_ends_does_not_get_a_finished_run(tmp_path):
    with worker(tmp_path) as process:
        until(process, "epoch 1")
        with sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None) as other:
            other.execute("begin exclusive")
            go_on(process)
            until(process, "error")
            other.execute("rollback")
        go_on(process)
        until(process, "end")
        assert process.wait(60) == 0
        check(runs(f"sqlite:///{tmp_path / 'mlflow.db'}"))


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("part", ["epoch 3", "test metrics", "a model"])
def test_a_run_that_says_finished_and_lacks_a_part_is_no_finished_cell(part):
    study = read_study(ROOT / "experiments/dropout/smoke.toml")
    run_id = record_study(study)
    cell, client = study.cells()[0], mlflow.MlflowClient()
    experiment = client.get_run(run_id).info.experiment_id
    (whole,) = client.search_runs([experiment], f"attributes.run_name = '{cell.name}'")
    client.delete_run(whole.info.run_id)
    began = whole.info.start_time
    run = client.create_run(experiment, began, whole.data.tags, cell.name)
    broken = run.info.run_id
    metrics = [
        Metric(metric.key, metric.value, 0, metric.step - (part == "epoch 3"))
        for metric in whole.data._metric_objs
        if part != "test metrics" or not metric.key.startswith("test/")
    ]
    client.log_batch(broken, metrics, [Param(*param) for param in whole.data.params.items()])
    if part != "a model":
        client.log_outputs(broken, whole.outputs.model_outputs)
    client.set_terminated(broken)
    record = read_record(run_id)
    (row,) = record.cells[record.cells["state"] != "FINISHED"].to_dict("records")
    assert row["run_id"] == broken
    assert row["reason"] == f"ended as FINISHED without {part}"
    assert broken not in set(record.runs["run_id"])
    digest = tags.DATASET_SHA256  # what `record_study` gives
    assert finished_cells(study, experiment, digest).missing(study) == [cell]


@pytest.mark.slow
def test_an_interrupted_run_that_another_program_ends_as_finished_goes_on(tmp_path, uninterrupted):
    kill_after_epoch(1, tmp_path)
    interrupted = only_run(tmp_path).info.run_id
    with mlflow.start_run(run_id=interrupted):  # its end says FINISHED
        mlflow.set_tag("note", "killed by hand")
    assert mlflow.get_run(interrupted).info.status == "FINISHED"
    again = run_here(*TRAIN, cwd=tmp_path)
    assert f"continuing run {interrupted} after epoch" in again.stdout, again.stderr
    assert recorded(only_run(tmp_path)) == uninterrupted
