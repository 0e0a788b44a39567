"""Whole studies as a user runs them: real workers, a real store, a worker really killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import reduce
from io import StringIO
from operator import and_
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest

from conftest import ROOT, FinishedRun, clean_environment, copied, run_command, run_here
from fashion_dropout.config.study import read_study
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.reading import queries

pytestmark = pytest.mark.slow  # each of them starts workers, which import TensorFlow

SMOKE = ROOT / "experiments/dropout/smoke.toml"
CLOCK = ("speed/", "system/")


def write_study(folder: Path, *changes: tuple[str, str]) -> Path:
    text = SMOKE.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def all_runs(uri: str, role: str) -> list:
    mlflow.set_tracking_uri(uri)
    return mlflow.search_runs(
        search_all_experiments=True, filter_string=f"tags.role = '{role}'", output_format="list"
    )


def numbers(uri: str) -> dict[str, dict[str, float]]:
    """Every finished cell with its metrics, but for those that the clock decides."""
    return {
        run.info.run_name: {
            name: value for name, value in run.data.metrics.items() if not name.startswith(CLOCK)
        }
        for run in all_runs(uri, "run")
        if run.info.status == "FINISHED"
    }


@pytest.fixture(scope="module")
def study(smoke_study: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Two pairs on two workers."""
    return copied(smoke_study, tmp_path_factory.mktemp("compared") / "study")


@pytest.fixture(scope="module")
def study_run(study):
    (run,) = all_runs(study.uri, "study")
    return run


def test_the_output_has_progress_table_verdict_and_what_to_do_next(study, study_run):
    said = study.output
    assert "warning: 2 seeds can give no p below 0.5" in said
    assert "none-seed0: epoch 3/3 validation loss" in said
    assert "4/4 cells" in said
    assert "verdict: It is not shown that dropout changes the validation loss over equal" in said
    assert f"study run {study_run.info.run_id}" in said
    for verb in ("ui", f"report {study_run.info.run_id}", "verify"):
        assert f"fashion-dropout {verb}" in said


def test_the_runs_are_flat_and_named_and_paired(study):
    runs = {run.info.run_name: run for run in all_runs(study.uri, "run")}
    assert set(runs) == {f"{r}-seed{s}-synthetic" for r in ("none", "dropout") for s in (0, 1)}
    key = read_study(study.folder / "study.toml").key
    for run in runs.values():
        assert run.info.status == "FINISHED"
        assert run.data.tags["study"] == key
        assert "mlflow.parentRunId" not in run.data.tags
    for seed in (0, 1):
        one, other = (runs[f"{r}-seed{seed}-synthetic"].data.tags for r in ("none", "dropout"))
        for tag in ("weights.initial.sha256", "batches.first_epoch.sha256", "split.sha256"):
            assert len(one[tag]) == 64
            assert one[tag] == other[tag]
    tags = [runs[f"none-seed{seed}-synthetic"].data.tags for seed in (0, 1)]
    assert tags[0]["weights.initial.sha256"] != tags[1]["weights.initial.sha256"]
    assert tags[0]["batches.first_epoch.sha256"] != tags[1]["batches.first_epoch.sha256"]


def test_the_curves_and_the_table_of_a_study_are_the_same_numbers(study, study_run):
    mlflow.set_tracking_uri(study.uri)
    record = read_record(study_run.info.run_id)
    assert len(record.runs) == 4
    for run in record.runs.to_dict("records"):
        mine = (record.histories[name] == run[name] for name in ("regime", "seed"))
        curves = record.histories[reduce(and_, mine)]
        assert curves["epoch"].tolist() == [1, 2, 3]
        for metric in ("train/loss", "val/loss", "train/accuracy", "val/accuracy"):
            assert curves[metric].iloc[-1] == run[metric]
            assert queries.history(run["run_id"], metric) == dict(
                zip(curves["epoch"], curves[metric], strict=True)
            )


def test_the_models_of_a_study_are_stressed_and_its_labels_audited(study, study_run, data_dir):
    of, client = study_run.info.run_id, mlflow.MlflowClient(study.uri)
    done = run_command("stress", of, "--images", "200", cwd=study.folder)  # on all cores
    assert done.returncode == 0, done.stderr
    assert "4 models, the first 200 test images, each corruption at 5 severities" in done.stdout
    table = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=of, artifact_path="stress.csv"))
    assert len(table) == 4 * (1 + 6 * 5)
    done = run_here("audit", of, cwd=study.folder)
    assert done.returncode == 0, done.stderr
    assert "4 runs\n" in done.stdout
    stored = {file.path for file in client.list_artifacts(of)}
    assert stored >= {"stress.png", "audit.png", "audit_labels.csv", "audit_twins.csv"}
    for verb in ("stress", "audit"):
        refused = run_here(verb, "0" * 32, cwd=study.folder)
        assert refused.returncode == 2
        assert "expected the id of a" in refused.stderr


def test_the_study_run_holds_aggregates_verdict_and_tables(study, study_run):
    assert study_run.info.status == "FINISHED"
    assert study_run.info.run_name == "study-smoke"
    cells = numbers(study.uri)
    differences = [
        cells[f"dropout-seed{seed}-synthetic"]["gap/loss"]
        - cells[f"none-seed{seed}-synthetic"]["gap/loss"]
        for seed in (0, 1)
    ]
    metrics = study_run.data.metrics
    assert metrics["diff/gap/loss/mean"] == pytest.approx(sum(differences) / 2)
    assert metrics["diff/gap/loss/low"] < metrics["diff/gap/loss/mean"]
    assert metrics["diff/gap/loss/p"] >= 0.5
    assert "diff/test/accuracy/p_holm" in metrics
    tags = study_run.data.tags
    lines = [line.partition(": ") for line in study.output.splitlines()]
    said = [text for kind, _, text in lines if kind in ("verdict", "note")]
    assert [tags["verdict"]] == [text for kind, _, text in lines if kind == "verdict"]
    assert tags["verdict.kind"] == "not shown"
    assert all(f"**{sentence}**" in tags["mlflow.note.content"] for sentence in said)
    assert "compareRunsMode=CHART" in tags["mlflow.note.content"]
    artifacts = {
        name: mlflow.artifacts.load_text(f"{study_run.info.artifact_uri}/{name}")
        for name in ("runs.csv", "differences.csv", "study.json", "verdict.txt")
    }
    runs = pd.read_csv(StringIO(artifacts["runs.csv"]))
    assert len(runs) == 4
    assert runs[["temperature", "test/nll_recalibrated"]].notna().all(axis=None)
    table = pd.read_csv(StringIO(artifacts["differences.csv"])).set_index("metric")
    assert table.loc["gap/loss", ["seed 0", "seed 1"]].tolist() == pytest.approx(differences)
    listed = mlflow.MlflowClient().list_artifacts(study_run.info.run_id)
    later = ("stress.", "audit")  # of commands that another test gives
    assert {artifact.path for artifact in listed if not artifact.path.startswith(later)} == {
        *artifacts, "report.html", "disagreements.npz", "study_curves.png",
        "accuracy_curves.png", "equal_fit.png", "gap_over_epochs.png", "paired_differences.png",
        "reliability.png", "f1_change.png", "confusion_change.png", "disagreements.png",
    }  # fmt: skip
    recorded = json.loads(artifacts["study.json"])
    assert recorded == json.loads(json.dumps(read_study(study.folder / "study.toml").recorded()))


def test_a_study_that_grows_runs_only_what_is_new(study, tmp_path):
    grown = tmp_path / "store"
    shutil.copytree(study.folder, grown)
    write_study(grown)  # a third seed
    assert run_here("relocate", cwd=grown).returncode == 0
    done = run_command("compare", "study.toml", "--workers", "2", cwd=grown)
    assert done.returncode == 0, done.stderr
    assert "4 cells have been run for smoke-" in done.stdout
    assert "2 of 6 cells to run" in done.stdout
    assert "after 4 of its 6 runs had been made (seeds changed)" in done.stdout


def test_the_same_study_again_runs_nothing_and_says_the_same(study):
    before = numbers(study.uri)
    done = run_here("compare", str(study.folder / "study.toml"), cwd=study.folder)
    assert done.returncode == 0, done.stderr
    assert "0 of 4 cells to run" in done.stdout
    verdict = [line for line in study.output.splitlines() if line.startswith("verdict: ")]
    assert verdict[0] in done.stdout
    assert numbers(study.uri) == before
    assert len(all_runs(study.uri, "run")) == 4


@pytest.mark.long
def test_one_worker_gives_the_bits_of_two_and_fresh_runs_every_cell_again(study, tmp_path):
    """The order of the cells and what a worker ran before differ between the two."""
    path = write_study(tmp_path, ("[0, 1, 2]", "[1, 0]"))
    done = run_command("compare", str(path), "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert numbers(uri) == numbers(study.uri)
    fresh = run_command("compare", str(path), "--fresh", cwd=tmp_path)
    assert "4 of 4 cells to run" in fresh.stdout
    assert len(all_runs(uri, "run")) == 8
    assert numbers(uri) == numbers(study.uri)


@pytest.mark.long
def test_a_cluster_that_is_already_there_gives_the_same_bits_and_stays(study, tmp_path):
    dask = str(Path(sys.executable).with_name("dask"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    options = {"cwd": tmp_path, "stderr": subprocess.DEVNULL}
    elsewhere = clean_environment(  # what is set on the machines of a cluster is not set for a run
        KERAS_BACKEND="jax",
        KERAS_MAX_STEPS_PER_EPOCH="1",
        TF_FUNCTION_JIT_COMPILE_DEFAULT="1",
        ONEDNN_DEFAULT_FPMATH_MODE="BF16",
        MPLBACKEND="TkAgg",
        MLFLOW_ENABLE_ASYNC_LOGGING="true",
        MLFLOW_ACTIVE_MODEL_ID="m-0123456789abcdef0123456789abcdef",
    )
    lonely = ("--dashboard-address", "127.0.0.1:0")
    with (
        subprocess.Popen(
            [dask, "scheduler", "--host", address, *lonely], env=clean_environment(), **options
        ) as scheduler,
        subprocess.Popen(
            [dask, "worker", address, "--nthreads", "1", *lonely], env=elsewhere, **options
        ) as worker,
    ):
        try:
            path = str(study.folder / "study.toml")
            done = run_command("compare", path, "--scheduler", address, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert numbers(f"sqlite:///{tmp_path / 'mlflow.db'}") == numbers(study.uri)
            assert scheduler.poll() is None
            assert worker.poll() is None
        finally:
            worker.terminate()
            scheduler.terminate()


def test_a_cell_that_fails_is_named_and_the_others_go_on(tmp_path):
    path = write_study(
        tmp_path, ("[0, 1, 2]", "[0, 1]"), ("dropout = 0.5", "dropout = 0.5\nlearning_rate = 1e38")
    )
    done = run_command("compare", str(path), cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "missing: dropout-seed0: expected a finite" in done.stdout
    assert "no complete pair of dropout and no dropout" in done.stdout
    assert "fashion-dropout report" in done.stdout
    assert "fashion-dropout promote" not in done.stdout  # which refuses it
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    states = {run.info.run_name: run.info.status for run in all_runs(uri, "run")}
    assert sorted(states.values()) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    (whole,) = all_runs(uri, "study")
    assert whole.info.status == "FINISHED"
    assert "dropout-seed1" in whole.data.tags["missing"]


@pytest.mark.long
def test_a_killed_worker_costs_a_cell_its_time_but_not_its_place(tmp_path):
    path = write_study(tmp_path, ("[0, 1, 2]", "[0, 1]"), ("epochs = 3", "epochs = 12"))
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", "compare", str(path), "--workers", "2"],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 2/12" in line:
            break
    busy = max(
        psutil.Process(process.pid).children(recursive=True),
        key=lambda child: child.memory_info().rss,
    )
    os.kill(busy.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=400)
    assert process.returncode == 0, rest
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    runs = all_runs(uri, "run")
    finished = [run.info.run_name for run in runs if run.info.status == "FINISHED"]
    assert sorted(finished) == sorted(
        f"{regime}-seed{seed}-synthetic" for regime in ("none", "dropout") for seed in (0, 1)
    )
    assert len(runs) == 4, "the cell of the killed worker went on under its id"
    assert [run.data.tags["resumed"] != "0" for run in runs if "resumed" in run.data.tags]


def test_ctrl_c_ends_the_study_and_leaves_nothing_running(tmp_path):
    path = write_study(tmp_path, ("epochs = 3", "epochs = 100000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", "compare", str(path), "--workers", "2"],
        cwd=tmp_path,
        env=clean_environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 1/" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Note: the same command goes on with what is missing" in said
    time.sleep(1)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    states = {run.info.status for role in ("run", "study") for run in all_runs(uri, role)}
    assert states == {"KILLED"}
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(path) in str(p.info["cmdline"])]


def test_pairs_that_began_differently_get_no_verdict(study):
    """Last on this store: it damages it."""
    (run,) = [r for r in all_runs(study.uri, "run") if r.info.run_name == "dropout-seed0-synthetic"]
    mlflow.MlflowClient().set_tag(run.info.run_id, "weights.initial.sha256", "0" * 64)
    done = run_here("compare", str(study.folder / "study.toml"), cwd=study.folder)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "seed 0: dropout and none differ in weights.initial.sha256" in line
    states = [run.info.status for run in all_runs(study.uri, "study")]
    assert states.count("FAILED") == 1


def test_a_study_file_that_is_not_there_and_a_scheduler_that_is_silent_are_one_line(tmp_path):
    for arguments, code, words in (
        (("compare", "none.toml"), 2, "expected a study file none.toml"),
        (("compare", str(SMOKE), "--workers", "-1"), 2, "--workers"),
        (("compare", str(SMOKE), "--scheduler", "tcp://127.0.0.1:9"), 1, "tcp://127.0.0.1:9"),
        (("compare", str(SMOKE), "--scheduler", "nonsense"), 2, "nonsense"),
        (("verify", "nonsense"), 2, "expected the id of a run"),
    ):
        done = run_here(*arguments, cwd=tmp_path)
        assert done.returncode == code, (arguments, done.stderr)
        (line,) = done.stderr.splitlines()
        assert words in line
    assert all_runs(f"sqlite:///{tmp_path / 'mlflow.db'}", "study") == []
