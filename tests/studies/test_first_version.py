"""A store that commit 0154d15 has written, before tracking and records were made anew: all of it
can be read, verified and promoted today, with the same numbers.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, clean_environment, run_here
from fashion_dropout.config.study import read_study
from fashion_dropout.studies.cells import finished_cells
from fashion_dropout.studies.read import read_record
from promotion.recorded_studies import GATE

THEN = "0154d155329ea2df18d1c62ccaa467490833c67e"
STUDY = "experiments/dropout/smoke.toml"


def of_then(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def is_known() -> bool:
    known = ["git", "cat-file", "-e", f"{THEN}^{{commit}}"]
    return subprocess.run(known, cwd=ROOT, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(not is_known(), reason="this checkout has no history"),
    pytest.mark.usefixtures("tensorflow"),
]


@dataclass(frozen=True)
class Recorded:
    """What the program of then has left.

    Attributes:
        folder: With the store and the study file.
        environment: The address of the store.
        study: The id of the study's own run.
    """

    folder: Path
    environment: dict[str, str]
    study: str


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Recorded:
    folder = tmp_path_factory.mktemp("then")
    with tarfile.open(fileobj=io.BytesIO(of_then("archive", THEN, "src"))) as code:
        code.extractall(folder, filter="data")
    text = of_then("show", f"{THEN}:{STUDY}").decode().replace("[0, 1, 2]", "[0, 1]")
    (folder / "smoke.toml").write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "fashion_dropout", "compare", "smoke.toml", "--workers", "1"],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(folder / "src")),
        check=True,
        capture_output=True,
    )
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    mlflow.set_tracking_uri(environment["MLFLOW_TRACKING_URI"])
    (study,) = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'study'", output_format="list"
    )
    before_this_code = "tags.role = 'run' and tags.`version.fashion_dropout` = '0.1.0'"
    cells = mlflow.search_runs(search_all_experiments=True, filter_string=before_this_code)
    assert len(cells) == 4
    return Recorded(folder, environment, study.info.run_id)


@pytest.fixture(autouse=True)
def its_store(recorded):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(recorded.environment["MLFLOW_TRACKING_URI"])
    yield
    mlflow.set_tracking_uri(before)


def today(recorded: Recorded, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_here(*arguments, cwd=recorded.folder, environment=recorded.environment)


def test_its_report_has_the_numbers_of_then(recorded):
    done = today(recorded, "report", "latest")
    assert done.returncode == 0, done.stderr
    record = read_record(recorded.study)
    then = mlflow.get_run(recorded.study).data.metrics
    (verdict,) = record.compare().verdicts
    assert verdict.difference.mean == then["diff/gap/loss/mean"]
    assert verdict.difference.p == then["diff/gap/loss/p"]
    assert len(record.histories) == 2 * 2 * 3


def test_its_runs_are_verified_to_the_bit(recorded):
    run_id = read_record(recorded.study).runs["run_id"].iloc[0]
    done = today(recorded, "verify", run_id)
    assert done.returncode == 0, done.stderr
    assert "the weights are bit-identical" in done.stdout


def test_its_cells_are_not_mixed_with_those_of_today(recorded):
    """The same file declares another study today: more metrics are reported beside the primary."""
    runs = read_record(recorded.study).runs
    (sha256,), study = runs["dataset.sha256"].unique(), read_study(recorded.folder / "smoke.toml")
    experiment = mlflow.get_run(recorded.study).info.experiment_id
    found = finished_cells(study, experiment, sha256)
    assert (found.own, found.taken_over, len(found.missing(study))) == ({}, {}, 4)


def test_its_candidate_is_promoted(recorded):
    (recorded.folder / "gate.toml").write_text(GATE, encoding="utf-8")
    done = today(recorded, "promote", "latest", "--policy", "gate.toml")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "version 1 of fashion-mnist-cnn-synthetic is the champion" in done.stdout
