"""Studies read back from a real store."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.utils.file_utils import local_file_uri_to_path

from conftest import ROOT
from fashion_dropout.comparison import two_level
from fashion_dropout.config.study import read_study
from fashion_dropout.errors import TrackingError
from fashion_dropout.learning.examples import Examples
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.store import tags
from recorded import record_study

pytestmark = pytest.mark.usefixtures("store")

SWEEP = """
name = "unsorted"
question = "In which order?"
question_ja = "どの順か"
dataset = "synthetic"
seeds = [1, 0]
[regimes.none]
dropout = 0.0
[regimes.much]
dropout = 0.6
[regimes.little]
dropout = 0.2
[decision]
primary = "gap/loss"
direction = "lower"
smallest_difference = 0.02
alpha = 0.05
baseline = "none"
"""
ORDER = ["none", "much", "little"]


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "unsorted.toml"
    path.write_text(SWEEP)
    return read_study(path)


def test_regimes_come_back_in_the_order_of_the_study_file(study):
    record = read_record(record_study(study))
    assert (record.question, record.question_ja) == ("In which order?", "どの順か")
    assert list(record.regimes) == ORDER
    assert record.others == ORDER[1:]
    assert record.regimes["much"] == {"dropout": 0.6}
    assert record.common["dataset"] == "synthetic"
    assert record.common["dataset"] == "synthetic"
    assert record.rule == study.decision
    assert len(record.runs) == len(record.cells) == 6


def test_a_study_recorded_before_its_order_was_in_study_json_can_be_read(study):
    run_id = record_study(study)
    older = {name: value for name, value in study.recorded().items() if name != "regime_order"}
    client = mlflow.MlflowClient()
    client.log_text(run_id, json.dumps(older), "study.json")
    client.log_param(run_id, "regimes", ",".join(study.regimes))
    assert list(read_record(run_id).regimes) == ORDER


def test_a_study_without_its_declaration_cannot_be_read(study):
    run_id = record_study(study)
    mlflow.MlflowClient().delete_tag(run_id, "question")
    assert read_record(run_id).question == study.key
    folder = mlflow.get_run(run_id).info.artifact_uri.removeprefix("file://")
    (Path(folder) / "study.json").unlink()
    with pytest.raises(TrackingError, match=r"expected the artifact study\.json"):
        read_record(run_id)


def test_the_example_studies_can_be_recorded_and_read():
    study = read_study(ROOT / "experiments/dropout/smoke.toml")
    record = read_record(record_study(study, predictions=20))
    assert record.results is not None
    assert set(record.results.confusion) == {
        (regime, seed) for regime in study.regimes for seed in study.seeds
    }


def test_predictions_that_others_do_not_fit_to_are_left_out_and_said():
    study = read_study(ROOT / "experiments/dropout/smoke.toml")
    run_id = record_study(study, predictions=30)
    runs = read_record(run_id).runs.set_index(["regime", "seed"])
    places = list(runs.index)
    assert not read_record(run_id).absent[1:]  # the first line: nothing stored the images

    def change(place, **arrays):
        path = Path(runs.loc[place, "artifact_uri"].removeprefix("file://")) / "predictions.npz"
        with np.load(path) as before:
            kept = {name: before[name] for name in before.files}
        changed = {**kept, **arrays}
        np.savez(path, **{name: value for name, value in changed.items() if value is not None})

    older, other, empty = places[1:4]
    change(older, validation_probabilities=None, validation_labels=None)
    change(other, probabilities=np.full((20, 10), 0.1, np.float32), labels=np.zeros(20, np.uint8))
    change(empty, probabilities=np.zeros((0, 10), np.float32), labels=np.zeros(0, np.uint8))
    record = read_record(run_id)
    said = "\n".join(record.absent)
    for (regime, seed), words in (
        (older, "recalibration of {}: no predictions of validation images are recorded"),
        (other, "predictions of {}: the labels are not those of the other runs"),
        (empty, "predictions of {}: no predictions.npz that can be read is recorded"),
    ):
        assert words.format(f"{regime}-seed{seed}") in said
    results = record.results
    assert results is not None
    assert set(results.scores) == set(places) - {other, empty}
    assert len(results.recalibrated) == len(places) - 3
    assert record.image_intervals.keys() <= {("dropout", m) for m in two_level.METRICS}


def test_runs_of_different_kernels_are_found(study):
    run_id = record_study(study)
    assert read_record(run_id).mixed_kernels is None
    client = mlflow.MlflowClient()
    for run in mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'run'", output_format="list"
    ):
        first = run.data.tags["seed"] == "0" and run.data.tags["regime"] == "none"
        client.set_tag(run.info.run_id, "kernels.isa", "avx2" if first else "avx512_core")
    record = read_record(run_id)
    assert record.mixed_kernels == (0,)
    assert record.environment["kernels.isa"] == ["avx2", "avx512_core"]


def test_what_one_regime_declares_has_its_default_in_the_others(tmp_path):
    path = tmp_path / "unsorted.toml"
    changes = (("dropout = 0.0", "weight_decay = 0.1"), ("dropout = 0.6", "weight_decay = 0.3"))
    text = SWEEP.replace("dropout = 0.2", "").replace("[regimes.none]", "[regimes.some]")
    for before, after in changes:
        text = text.replace(before, after)
    path.write_text(text.replace('"none"', '"some"'))
    record = read_record(record_study(read_study(path)))
    assert record.regimes == {
        "some": {"weight_decay": 0.1},
        "much": {"weight_decay": 0.3},
        "little": {"weight_decay": 0.0},
    }
    assert record.doses == ("weight_decay", {"some": 0.1, "much": 0.3, "little": 0.0})
    assert record.common["dropout"] == 0.5


def test_an_epoch_that_was_lost_is_not_a_number(study):
    """A curve that is shorter than recorded is not taken for that of a run that stopped early."""
    run_id = record_study(study)
    run = read_record(run_id).runs.iloc[0]
    path = Path(local_file_uri_to_path(run["artifact_uri"]), "history.csv")
    *whole, _ = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole))
    curves = read_record(run_id).histories.set_index(["regime", "seed"])["val/loss"]
    epochs = study.config("none", 0).epochs
    shortened = curves[run["regime"], run["seed"]].isna()
    assert shortened.tolist() == [False] * (epochs - 1) + [True]
    assert curves.isna().sum() == 1


def files_of_curves(run_id: str) -> list[Path]:
    places = map(local_file_uri_to_path, read_record(run_id).runs["artifact_uri"])
    return [Path(place, "history.csv") for place in places]


@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[: len(whole) // 2] + b'"']
)
def test_a_damaged_table_of_curves_is_read_from_the_metrics(study, damage):
    run_id = record_study(study)
    before = read_record(run_id).histories
    damaged = files_of_curves(run_id)[0]
    damaged.write_bytes(damage(damaged.read_bytes()))  # as after a power cut
    assert read_record(run_id).histories.equals(before)


def test_curves_are_parsed_together_as_each_by_itself(study):
    """Also of a run that has other columns, ended early, or lacks an epoch."""
    run_id = record_study(study)
    files = files_of_curves(run_id)
    header, *lines = files[0].read_text().splitlines()
    files[0].write_text("\n".join([header, *lines[:4], *lines[5:]]) + "\n")
    files[1].write_text(files[1].read_text().replace("val/loss", "other", 1))
    table = pd.read_csv(files[2])
    table.assign(more=0.5)[["more", *table.columns]].to_csv(files[2], index=False)
    found, columns = read_record(run_id), ["train/loss", "train/accuracy", "val/accuracy"]
    runs = found.runs[["regime", "seed"]].itertuples(index=False)
    for (regime, seed), file in zip(runs, files, strict=True):
        of_run = (found.histories["regime"] == regime) & (found.histories["seed"] == seed)
        own = found.histories[of_run]
        alone = pd.read_csv(file).set_index("epoch").reindex(range(1, 21))[columns]
        assert own[columns].to_numpy().tobytes() == alone.to_numpy().tobytes()
    assert found.histories["train/loss"].isna().sum() == 1


def test_a_study_keeps_the_runs_of_a_machine_whose_clock_goes_ahead(study):
    run_id = record_study(study)
    newest = int(read_record(run_id).runs["begun"].max())
    client = mlflow.MlflowClient()
    client.set_tag(run_id, tags.NEWEST, newest)  # as `conclude` does
    client.set_terminated(run_id, end_time=newest - 120_000)
    assert len(read_record(run_id).runs) == 6


def test_mean_predictions_are_of_the_pairs_of_which_both_runs_have_some():
    study = read_study(ROOT / "experiments/dropout/smoke.toml")
    run_id = record_study(study, predictions=12)
    places = read_record(run_id).runs.set_index(["regime", "seed"])["artifact_uri"]
    files = {
        place: Path(local_file_uri_to_path(uri), "predictions.npz") for place, uri in places.items()
    }
    files["dropout", 1].unlink()
    images = Examples(np.zeros((12, 28, 28, 1), np.uint8), np.arange(12, dtype=np.uint8) % 10)
    results = read_record(run_id, images).results
    assert results is not None
    for regime in ("none", "dropout"):
        both = [np.load(files[regime, seed])["probabilities"] for seed in (0, 2)]
        shown = results.disagreements.probabilities[regime]  # the farthest apart come first
        assert np.sort(shown, axis=0) == pytest.approx(np.sort(np.mean(both, axis=0), axis=0))
