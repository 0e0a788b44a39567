"""A study whose seeds are crossed with several splits, from its runs to report and numbers."""

from __future__ import annotations

import json
import shutil
from html import unescape
from importlib.resources import files
from types import SimpleNamespace

import jsonschema
import mlflow
import pandas as pd
import pytest

from conftest import ROOT, run_command, run_here
from fashion_dropout.comparison.splits import scope
from fashion_dropout.config.study import read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.reports import html
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.reports.paper.folder import paper_files
from fashion_dropout.reports.paper.methods import methods, results
from fashion_dropout.reports.paper.tables import tidy_tables
from fashion_dropout.runs import train
from fashion_dropout.runs.description import run_name
from fashion_dropout.runs.request import RunRequest
from fashion_dropout.studies import cell as in_a_worker
from fashion_dropout.studies.cells import finished_cells
from fashion_dropout.studies.compare import warnings_of
from fashion_dropout.studies.overview import overview
from fashion_dropout.studies.pilot import spread_of
from fashion_dropout.studies.publish import as_json, as_result
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.reading.studies import study_run
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.database import sqlite_uri
from recorded import record_study

SMOKE = read_study(ROOT / "experiments/dropout/smoke.toml")
CROSSED = SMOKE.model_copy(update={"split_seeds": (0, 7)})


@pytest.fixture(scope="module")
def record(tmp_path_factory, empty_store):
    """The study in a store of its own, which all tests here read."""
    before = mlflow.get_tracking_uri()
    path = shutil.copy(empty_store, tmp_path_factory.mktemp("splits") / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    yield read_record(record_study(CROSSED, predictions=40))
    mlflow.set_tracking_uri(before)


def test_every_run_of_the_study_is_one_cell_and_every_pair_counts(record):
    assert len(record.runs) == len(record.cells) == 12
    assert record.splits == (0, 7)
    assert set(record.cells["state"]) == {"FINISHED"}
    assert record.misplaced == {}
    assert record.not_run == 0
    assert "split_seed" not in record.common
    (verdict,) = record.compare().verdicts
    assert verdict.difference.n == 6
    assert sorted(record.environment[tags.SPLIT_SHA256]) == [
        "split.sha256 of 0",
        "split.sha256 of 7",
    ]


def test_report_paper_and_numbers_say_whom_the_interval_covers(record):
    comparison = record.compare()
    wider, few = scope(record, comparison)
    assert wider.startswith("3 seeds with each of 2 splits: for other seeds on these splits, the")
    assert "times as wide" in wider
    assert "hardly known from 2" in few
    report = unescape(html.render(record, comparison, {}, "en"))
    for said in (wider, few, "pairs that share one of the two are not independent", "<td>2/7</td>"):
        assert said in report
    assert "分割が 2 個では" in html.render(record, comparison, {}, "ja")
    trained, decided, _ = methods(record, comparison, {}, "en")
    assert "in 2 ways (split seeds 0, 7)" in trained
    assert "two-way layout with random effects" in decided
    assert "sign-flip" not in decided
    assert wider in results(record, comparison, "en")
    found = json.loads(as_json(as_result(record, comparison, record.regimes, {})))
    schema = files("fashion_dropout.comparison") / "result.schema.json"
    jsonschema.validate(found, json.loads(schema.read_text(encoding="utf-8")))
    assert list(found["differences"][0]["by_seed"]) == ["0/0", "1/0", "2/0", "0/7", "1/7", "2/7"]
    assert found["verdicts"][0]["splits"]["splits"] == 2
    assert {of["split"] for of in found["measurements"]} == {0, 7}
    assert "none-seed2-split7" in found["runs"]
    assert found["differences"][0]["bca_low"] is None


def test_tables_for_others_have_seeds_and_splits(record):
    tables = tidy_tables(record, record.compare())
    for name in ("runs", "epochs", "pairs"):
        assert set(tables[name]["seed"]) == {0, 1, 2}
        assert set(tables[name]["split"]) == {0, 7}


def test_every_figure_is_drawn(record):
    drawn = dict(study_figures(record, record.compare(), "en"))
    assert {"study_curves", "paired_differences", "equal_fit", "confusion_change"} <= drawn.keys()
    assert "n = 6 runs per regime" in drawn["study_curves"].get_suptitle()


@pytest.mark.usefixtures("store")
def test_runs_of_one_split_are_taken_over_as_cells():
    record_study(SMOKE)
    experiment = mlflow.get_experiment_by_name("fashion-mnist-dropout").experiment_id
    found = finished_cells(CROSSED, experiment, tags.DATASET_SHA256)
    assert sorted(found.taken_over) == sorted(
        f"{regime}-seed{seed}-split0" for regime in ("none", "dropout") for seed in range(3)
    )
    assert len(found.missing(CROSSED)) == 6


def test_the_name_of_a_run_says_its_split(record):
    cell = CROSSED.cells()[2]
    request = RunRequest(cell.config, cell.regime, study_tags={tags.CELL: cell.name})
    assert request.name == "none-seed0-split7-synthetic"
    assert run_name(cell.config, cell.regime) == "none-seed0-synthetic"
    assert overview(study_run(record.run_id)).pairs.endswith("/–")


def test_what_takes_pairs_for_independent_is_refused_or_warned_of(record):
    assert warnings_of(CROSSED) == [
        "warning: 3 seeds with each of 2 splits leave 1 degree of freedom to Student's t"
    ]
    with pytest.raises(UsageError, match="expected a study of one split, received split_seeds"):
        spread_of(CROSSED)
    with pytest.raises(UsageError, match="--pilot: expected a study of one split"):
        spread_of(SMOKE, record.run_id)


@pytest.mark.long
@pytest.mark.slow
def test_a_study_of_two_splits_runs_from_end_to_end(tmp_path):
    text = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
    text = text.replace("seeds = [0, 1, 2]", "seeds = [0, 1]\nsplit_seeds = [0, 1]")
    (tmp_path / "smoke.toml").write_text(text.replace("epochs = 3", "epochs = 2"), encoding="utf-8")
    done = run_command("compare", "smoke.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 seeds with each of 2 splits" in done.stdout
    assert "none-seed1-split1" in done.stdout
    mlflow.set_tracking_uri(sqlite_uri(tmp_path / "mlflow.db"))
    (study,) = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'study'", output_format="list"
    )
    runs = pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{study.info.run_id}/runs.csv"))
    assert runs.groupby(["seed", "split"]).size().to_dict() == dict.fromkeys(
        [(0, 0), (0, 1), (1, 0), (1, 1)], 2
    )
    again = run_here("compare", "smoke.toml", cwd=tmp_path)
    assert "0 of 8 cells to run" in again.stdout


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("study", [SMOKE, CROSSED], ids=["one split", "two splits"])
def test_a_run_that_ended_before_it_had_parameters_is_no_second_cell(study):
    run_id = record_study(study)
    own = mlflow.get_run(run_id)
    (run, *_) = mlflow.search_runs(
        [own.info.experiment_id],
        f"tags.study = '{study.key}' and tags.role = 'run'",
        output_format="list",
    )
    cut = mlflow.MlflowClient().create_run(own.info.experiment_id, tags=run.data.tags)
    mlflow.MlflowClient().set_terminated(cut.info.run_id, "KILLED")
    cells = read_record(run_id).cells
    assert len(cells) == len(study.cells())
    assert set(cells["state"]) == {"FINISHED"}


@pytest.mark.parametrize(
    ("language", "runs", "interval"),
    [
        ("en", "Runs of one seed and one split began", "for other seeds and other splits"),
        ("ja", "同じシードと同じ分割の実行は", "シードと分割の両方が変わった場合"),
    ],
)
def test_a_paper_does_not_take_several_splits_for_one(record, language, runs, interval):
    comparison = record.compare()
    assert runs in methods(record, comparison, {}, language)[0]
    written = paper_files(record, comparison, {}, {}, language)
    assert interval in written["tables/metrics.tex"].decode()


@pytest.mark.usefixtures("store")
def test_every_run_of_a_study_names_its_cell(monkeypatch):
    asked: list[RunRequest] = []

    def recorded(request, *_):
        asked.append(request)
        return SimpleNamespace(run_id="made")

    monkeypatch.setattr(train, "record_run", recorded)
    session = in_a_worker.Session(
        name="mine",
        tracking_uri=mlflow.get_tracking_uri(),
        experiment="any",
        data_dir=None,
        dataset_sha256=open_dataset("synthetic").sha256,
        study_run_id="none",
        colours=dict.fromkeys(SMOKE.regimes, "#000000"),
        fresh=False,
    )
    for study in (SMOKE, CROSSED):
        reporter = SimpleNamespace(warn=pytest.fail, began=False)
        in_a_worker._recorded(study.cells()[0], session, reporter)
    named = [request.study_tags[tags.CELL] for request in asked]
    assert named == ["none-seed0", "none-seed0-split0"]
    assert [request.name for request in asked] == [f"{name}-synthetic" for name in named]


@pytest.mark.usefixtures("store")
def test_a_cell_that_was_begun_before_cells_had_names_goes_on_with_its_own(monkeypatch):
    cell = SMOKE.cells()[0]
    conditions = {tags.DATASET_SHA256: open_dataset("synthetic").sha256}
    identity = SimpleNamespace(regime=cell.regime, conditions=conditions)
    begun = SimpleNamespace(
        config=cell.config, identity=identity, study_tags={tags.STUDY: "of it"}, experiment=None
    )
    monkeypatch.setattr(train, "interrupted_run", lambda run_id: begun)
    monkeypatch.setattr(train, "record_run", lambda request, *_: request)
    display = SimpleNamespace(note=pytest.fail)
    request = train.resume_run("any", display)
    assert request.study_tags == {tags.STUDY: "of it", tags.CELL: "none-seed0"}
    begun.study_tags = {}
    assert train.resume_run("any", display).study_tags == {}
