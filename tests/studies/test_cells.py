"""A study that grows runs only what is new, and says what was known when it changed."""

from __future__ import annotations

import subprocess
import sys

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run, RunOutputs
from mlflow.store.entities import PagedList

from conftest import ROOT, clean_environment
from fashion_dropout import provenance
from fashion_dropout.config.study import Study, read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.studies.cells import finished_cells
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store import tags
from recorded import record_study

SMOKE = read_study(ROOT / "experiments/dropout/smoke.toml")
DATASET = tags.DATASET_SHA256  # what `record_study` gives as the digest


def changed(**changes: object) -> Study:
    return SMOKE.model_copy(update=changes)


def experiment() -> str:
    return mlflow.get_experiment_by_name("fashion-mnist-dropout").experiment_id


@pytest.mark.usefixtures("store")
def test_two_more_seeds_of_six_finished_runs_are_four_cells():
    record_study(SMOKE)
    larger = changed(seeds=(0, 1, 2, 3, 4))
    found = finished_cells(larger, experiment(), DATASET)
    assert len(found.taken_over) == 6
    assert found.own == {}
    assert [cell.name for cell in found.missing(larger)] == [
        "none-seed3", "dropout-seed3", "none-seed4", "dropout-seed4",
    ]  # fmt: skip
    assert found.sentence.startswith(f"6 cells have been run for {SMOKE.key}")


@pytest.mark.usefixtures("store")
def test_another_rule_runs_nothing_again_and_another_configuration_everything():
    record_study(SMOKE)
    rule = SMOKE.decision.model_copy(update={"guards": {}})
    assert finished_cells(changed(decision=rule), experiment(), DATASET).missing(SMOKE) == []
    longer = changed(base={**SMOKE.base, "epochs": 4})
    assert len(finished_cells(longer, experiment(), DATASET).missing(longer)) == 6
    assert len(finished_cells(SMOKE, experiment(), "another dataset").missing(SMOKE)) == 6
    again = finished_cells(SMOKE, experiment(), DATASET)
    assert (len(again.own), again.taken_over) == (6, {})


@pytest.mark.usefixtures("store")
def test_runs_that_have_not_finished_are_run_again():
    record_study(SMOKE)
    (run, *_) = mlflow.search_runs(
        [experiment()], "tags.regime = 'none' and tags.seed = '1'", output_format="list"
    )
    mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
    found = finished_cells(SMOKE, experiment(), DATASET)
    assert [cell.name for cell in found.missing(SMOKE)] == ["none-seed1"]


@pytest.mark.usefixtures("store")
def test_cells_of_another_release_with_the_same_training_code_are_taken_over():
    record_study(SMOKE)
    for run in queries.finished_runs(experiment(), DATASET):
        mlflow.MlflowClient().set_tag(run.info.run_id, "version.fashion_dropout", "0.1.0")
    assert finished_cells(SMOKE, experiment(), DATASET).missing(SMOKE) == []


@pytest.mark.usefixtures("store")
def test_cells_of_other_training_code_are_refused_in_one_line_with_both_digests():
    record_study(SMOKE)
    client = mlflow.MlflowClient()
    for run in mlflow.search_runs([experiment()], "tags.role = 'run'", output_format="list"):
        client.set_tag(run.info.run_id, tags.TRAINING_CODE, "0" * 64)
    code = provenance.training_code_sha256()[:12]
    with pytest.raises(
        UsageError, match=f"by this training code, {code}, received 6 cells of {'0' * 12}"
    ) as no:
        finished_cells(SMOKE, experiment(), DATASET)
    assert "--fresh" in str(no.value)
    assert "\n" not in str(no.value)


@pytest.mark.usefixtures("store")
def test_a_study_with_runs_taken_over_is_read_whole_and_says_when_it_was_changed():
    record_study(SMOKE)
    rule = SMOKE.decision.model_copy(update={"alpha": 0.1})
    larger = changed(seeds=(0, 1, 2, 3), decision=rule)
    found = finished_cells(larger, experiment(), DATASET)
    study = record_study(larger, taken_over=found.taken_over)
    record = read_record(study)
    assert len(record.runs) == 8
    assert set(record.cells["state"]) == {"FINISHED"}
    assert record.changed is not None
    assert record.changed.finished == 6
    assert record.changed.what == ("rule", "seeds")
    assert set(found.taken_over.values()) <= set(record.runs["run_id"])


@pytest.mark.usefixtures("store")
def test_a_study_that_was_declared_before_its_runs_says_nothing():
    study = record_study(SMOKE)
    assert read_record(study).changed is None


@pytest.mark.slow
def test_the_benchmark_of_many_cells_compares_without_training(workdir):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/cluster.py", "--cells", "44"],
        cwd=workdir,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[1:]] == [
        "compare many.toml",
        "report latest",
        "studies",
        "the first runs of MLflow's grouped page",
    ]


@pytest.mark.usefixtures("store")
def test_a_server_that_finds_runs_without_their_models_is_asked_for_each(monkeypatch):
    """Those before MLflow 3.6 do: their finished cells had no model, and were trained again."""
    record_study(SMOKE)
    with_models = queries.study_runs(SMOKE.key, experiment())
    search_runs = mlflow.MlflowClient.search_runs

    def as_before(*args, **kwargs):
        page = search_runs(*args, **kwargs)
        bare = [Run(run.info, run.data, run.inputs, RunOutputs([])) for run in page]
        return PagedList(bare, page.token)

    monkeypatch.setattr(mlflow.MlflowClient, "search_runs", as_before)
    found = queries.study_runs(SMOKE.key, experiment())
    assert set(found["state"]) == {"FINISHED"}
    pd.testing.assert_frame_equal(found, with_models)


@pytest.mark.usefixtures("store")
def test_what_is_taken_over_is_not_asked_for_run_by_run(monkeypatch):
    record_study(SMOKE)
    larger = changed(seeds=(0, 1, 2, 3))
    taken = finished_cells(larger, experiment(), DATASET).taken_over
    monkeypatch.setattr(
        mlflow.MlflowClient, "get_run", lambda *_: pytest.fail("one request for each")
    )
    monkeypatch.setattr(queries, "_IDS_AT_ONCE", 4)
    found = queries.study_runs(larger.key, experiment(), also=taken.values())
    assert set(found["run_id"]) == set(taken.values())


@pytest.mark.usefixtures("store")
def test_a_run_of_another_study_with_other_code_is_only_not_taken_over():
    record_study(SMOKE)
    client = mlflow.MlflowClient()
    for run in mlflow.search_runs([experiment()], "tags.role = 'run'", output_format="list"):
        client.set_tag(run.info.run_id, tags.TRAINING_CODE, "0" * 64)
    larger = changed(seeds=(0, 1, 2, 3))
    assert len(finished_cells(larger, experiment(), DATASET).missing(larger)) == 8


@pytest.mark.usefixtures("store")
def test_the_runs_that_are_taken_over_are_those_that_are_compared():
    """And not runs of the study itself that other training code has made."""
    record_study(SMOKE)
    client = mlflow.MlflowClient()
    for run in queries.finished_runs(experiment(), DATASET):
        client.set_tag(run.info.run_id, tags.TRAINING_CODE, "0" * 64)
    record_study(changed(name="another"))
    taken = finished_cells(SMOKE, experiment(), DATASET).taken_over
    assert len(taken) == 6
    record = read_record(record_study(SMOKE, taken_over=taken))
    assert set(record.runs["run_id"]) == set(taken.values())
