"""A run and a study of somebody's own images, from the command to the registry."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest

from conftest import run_here
from fashion_dropout.commands.console import StudyLines
from fashion_dropout.config.study import read_study
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.studies.compare import compare_study
from fashion_dropout.studies.read import read_record
from own import digits, write
from promotion.recorded_studies import POLICY, promoted, scheduler_here
from study_text import study_text

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

NAMES = ("零", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def named(folder: Path, *names: str) -> Path:
    (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    return folder


def test_a_run_on_handwritten_digits_learns_and_is_nowhere_called_fashion_mnist(store, tmp_path):
    own, other = (write(tmp_path / name, packed=False) for name in ("own", "other"))
    named(own, *NAMES)
    known = ("--dataset", "idx", "--data-dir", str(own), "--epochs", "1", "--batch-size", "32")
    environment = {"MLFLOW_TRACKING_URI": store}
    done = run_here("train", *known, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    dataset = open_dataset("idx", own)
    assert run.info.run_name == "dropout-seed0-idx"
    assert run.data.metrics["test/accuracy"] > 0.6, "one of ten would be chance"
    assert (run.data.tags["dataset"], run.data.tags["dataset.sha256"]) == ("idx", dataset.sha256)
    given = {found.dataset.name for found in run.inputs.dataset_inputs}
    assert given == {"idx"}
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(f"**own images {dataset.sha256[:12]}: says nothing about Fashion-MNIST.")

    (output,) = run.outputs.model_outputs
    stored = Path(mlflow.artifacts.download_artifacts(f"models:/{output.model_id}"))
    assert tuple(json.loads((stored / "classes.json").read_text(encoding="utf-8"))) == NAMES
    table = Path(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/per_class.csv"))
    assert table.read_text(encoding="utf-8").splitlines()[1].startswith("0,零,")

    for data_dir, code, text in (
        (other, 2, f"expected the images with dataset.sha256 {dataset.sha256}, received"),
        (own, 0, "and the weights are bit-identical"),
    ):
        verified = run_here(
            *("verify", run.info.run_id, "--data-dir", str(data_dir)),
            cwd=tmp_path,
            environment=environment,
        )
        assert verified.returncode == code
        assert text in verified.stderr + verified.stdout


def test_each_set_of_images_makes_a_study_and_never_a_model_of_fashion_mnist(store, tmp_path):
    """Two sets of the same file: of three classes, and of the same with other names."""
    rows = {name: np.flatnonzero(of < 3) for name, of in digits().items() if "labels" in name}
    few = {
        name: array[rows[f"{name.split('-')[0]}-labels"]][:240] for name, array in digits().items()
    }
    one, other = (write(tmp_path / name, few) for name in ("one", "other"))
    named(one, "zero", "one", "two")
    base = {"epochs": 1, "batch_size": 16, "learning_rate": 0.004}
    text = study_text("own", [0], base, undecided="dropout", dataset="idx")
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    found = []
    with scheduler_here() as there:
        for folder in (one, other):
            outcome = compare_study(
                read_study(tmp_path / "own.toml"),
                StudyLines(),
                scheduler=there,
                data_dir=folder,
            )
            assert outcome.missing == {}
            found.append(read_record(outcome.run_id))
    assert found[0].key != found[1].key, "their runs would be taken for each other's"
    assert not set(found[0].runs["run_id"]) & set(found[1].runs["run_id"])
    assert found[0].results.classes[:4] == ("zero", "one", "two", "unused 3")
    assert found[1].results.classes[:4] == ("class 0", "class 1", "class 2", "unused 3")
    assert (found[0].runs["test/f1_macro"] > 0.5).all(), "classes that do not occur do not count"

    outcome, _ = promoted(found[0].run_id, POLICY, data_dir=one)
    assert outcome.text.startswith("promoted: version 1 of idx-cnn is the champion")
    client = mlflow.MlflowClient()
    assert [model.name for model in client.search_registered_models()] == ["idx-cnn"]
    assert "a user's own images, not of Fashion-MNIST" in (
        client.get_registered_model("idx-cnn").description
    )
    held_back, said = promoted(found[1].run_id, POLICY, data_dir=other)
    assert not held_back.promoted, "it may have been trained on the champion's validation images"
    assert "✗  same images" in said
