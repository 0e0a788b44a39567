"""What a finished run left in a real SQLite store, read back with MLflow's own client."""

from __future__ import annotations

import io
import platform
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from fashion_dropout.learning import inference
from fashion_dropout.learning.dataset import Synthetic
from fashion_dropout.learning.split import stratified_split
from fashion_dropout.tracking.models import loader

pytestmark = pytest.mark.usefixtures("tensorflow")

PER_EPOCH = {
    "train/loss",
    "train/accuracy",
    "val/loss",
    "val/accuracy",
    "gap/loss",
    "gap/accuracy",
    "speed/images_per_second",
    "learning_rate",
}
AT_THE_END = {
    "best/epoch",
    "best/val_loss",
    "best/val_accuracy",
    "val_rebound",
    "test/accuracy",
    "test/nll",
    "test/ece",
    "test/f1_macro",
}


@pytest.fixture(scope="module")
def client(finished_run):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(finished_run.uri)
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def run(client):
    (found,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return found


@pytest.fixture(scope="module")
def artifacts(client, run) -> Path:
    return Path(client.download_artifacts(run.info.run_id, ""))


@pytest.fixture(scope="module")
def logged_model(client, run):
    (output,) = run.outputs.model_outputs
    return client.get_logged_model(output.model_id)


def test_one_finished_run_with_its_name_and_place(client, run):
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "dropout-seed3-synthetic"
    assert client.get_experiment(run.info.experiment_id).name == "fashion-mnist-dropout"


def test_the_command_said_what_came_out_and_how_to_look_at_it(finished_run, run):
    said = finished_run.output
    assert f"test accuracy {run.data.metrics['test/accuracy']:.2%}" in said
    assert f"run {run.info.run_id}" in said
    assert f"mlflow ui --workers 1 --backend-store-uri {finished_run.uri}" in said
    assert f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}" in said
    assert said.count("\nepoch ") == 6


def test_parameters_are_the_configuration(run):
    assert run.data.params == {
        "dropout": "0.4",
        "seed": "3",
        "epochs": "6",
        "batch_size": "64",
        "learning_rate": "0.004",
        "select": "best",
        "dataset": "synthetic",
        "split_seed": "0",
        "threads": "1",
        "kernels": "native",
        "device": "auto",
        "label_smoothing": "0.0",
        "weight_decay": "0.0",
        "schedule": "constant",
        "warmup_epochs": "0",
        "augment": "none",
        "average": "none",
        "patience": "0",
        "vary": "init+order+masks+augment",
    }


def test_every_epoch_has_every_metric_once(client, run):
    assert run.data.metrics.keys() >= PER_EPOCH | AT_THE_END
    others = run.data.metrics.keys() - PER_EPOCH - AT_THE_END
    assert all(name.startswith("system/") for name in others)
    for name in PER_EPOCH:
        history = client.get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in history] == [1, 2, 3, 4, 5, 6], name
    for name in AT_THE_END:
        assert len(client.get_metric_history(run.info.run_id, name)) == 1


def test_final_figures_follow_from_the_history(client, run):
    losses = {
        metric.step: metric.value
        for metric in client.get_metric_history(run.info.run_id, "val/loss")
    }
    best = min(losses, key=losses.get)
    metrics = run.data.metrics
    assert metrics["best/epoch"] == best
    assert metrics["best/val_loss"] == losses[best]
    assert metrics["val_rebound"] == losses[6] - losses[best]
    assert metrics["gap/loss"] == metrics["val/loss"] - metrics["train/loss"]


def test_system_metrics_were_on(run):
    assert run.data.metrics["system/cpu_utilization_percentage"] > 0
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0


def test_tags_say_where_the_numbers_come_from(run):
    tags = run.data.tags
    assert tags["role"] == "run"
    assert tags["regime"] == "dropout"
    assert tags["seed"] == "3"
    assert tags["dataset"] == "synthetic"
    assert tags["dataset.sha256"] == Synthetic().sha256
    assert tags["version.python"] == platform.python_version()
    for package in ("tensorflow", "keras", "mlflow", "numpy", "fashion_dropout"):
        assert tags[f"version.{package}"]
    assert "cores" in tags["cpu"]
    assert tags["kernels.onednn"] in ("on", "off")
    assert tags["kernels.isa"] != "unknown"
    assert tags["device"]


def test_the_commit_is_recorded_with_the_difference_of_a_dirty_tree(run, artifacts):
    tags = run.data.tags
    if tags["git.commit"] == "unknown":
        pytest.skip("these tests do not run from a git checkout")
    assert len(tags["git.commit"]) == 40
    assert (artifacts / "uncommitted.diff").exists() == (tags["git.dirty"] == "True")


def test_run_and_experiment_carry_a_description(client, run):
    assert "says nothing about Fashion-MNIST" in run.data.tags["mlflow.note.content"]
    assert "first 10,000 images" in run.data.tags["mlflow.note.content"]
    experiment = client.get_experiment(run.info.experiment_id)
    assert "dropout" in experiment.tags["mlflow.note.content"]


def test_the_three_parts_of_the_dataset_are_inputs_with_their_whole_digest(run):
    dataset = Synthetic()
    training, validation = stratified_split(dataset.training(), dataset.validation_size, 0)
    expected = {
        "training": training.sha256,
        "validation": validation.sha256,
        "test": dataset.test().sha256,
    }
    received = {}
    for given in run.inputs.dataset_inputs:
        tags = {tag.key: tag.value for tag in given.tags}
        received[tags["mlflow.data.context"]] = tags["sha256"]
        assert given.dataset.name == "synthetic"
        assert tags["sha256"].startswith(given.dataset.digest)
    assert received == expected


def test_the_artifacts_are_at_the_root(artifacts):
    assert {path.name for path in artifacts.iterdir()} - {"uncommitted.diff"} == {
        "confusion_matrix.png",
        "curves.png",
        "history.csv",
        "misclassified.png",
        "model_summary.txt",
        "per_class.csv",
        "predictions.npz",
        "requirements-frozen.txt",
    }
    for picture in artifacts.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert "tensorflow==" in (artifacts / "requirements-frozen.txt").read_text()


def test_the_tables_agree_with_the_metrics(run, artifacts):
    history = pd.read_csv(artifacts / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["val/loss"].iloc[-1] == run.data.metrics["val/loss"]
    classes = pd.read_csv(artifacts / "per_class.csv")
    assert classes["class"].tolist() == list(Synthetic.classes)
    assert classes["f1"].mean() == pytest.approx(run.data.metrics["test/f1_macro"])
    assert classes["support"].sum() == 1_000


def test_the_predictions_agree_with_the_metrics(run, artifacts):
    stored = np.load(artifacts / "predictions.npz")
    assert stored["probabilities"].dtype == np.float32
    correct = stored["probabilities"].argmax(axis=1) == stored["labels"]
    assert correct.mean() == run.data.metrics["test/accuracy"]
    np.testing.assert_array_equal(stored["labels"], Synthetic().test().labels)
    chosen = stored["validation_probabilities"].argmax(axis=1) == stored["validation_labels"]
    assert chosen.mean() == run.data.metrics["best/val_accuracy"]


def test_the_stored_model_predicts_what_the_training_program_predicted_to_the_bit(
    logged_model, artifacts
):
    model = mlflow.pyfunc.load_model(logged_model.model_uri)
    stored = np.load(artifacts / "predictions.npz")
    probabilities = model.predict(Synthetic().test().images.astype(np.float32))
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities, stored["probabilities"])
    few = Synthetic().test().images[[700, 3]].astype(np.float32)
    np.testing.assert_array_equal(model.predict(few), stored["probabilities"][[700, 3]])


def test_the_model_takes_whole_grey_values_and_refuses_everything_else(logged_model):
    model = mlflow.pyfunc.load_model(logged_model.model_uri)
    (taken,), (given,) = model.metadata.signature.inputs, model.metadata.signature.outputs
    assert (taken.type, taken.shape) == (np.float32, (-1, 28, 28, 1))
    assert (given.type, given.shape) == (np.float32, (-1, 10))
    image = Synthetic().test().images[:1].astype(np.float32)
    for wrong in (image.astype(np.int64), image[..., 0], image[:, :27]):
        with pytest.raises(mlflow.exceptions.MlflowException, match=r"(?i)incompatible|shape|type"):
            model.predict(wrong)
    for wrong in (
        image - 300,
        image + 300,
        image + 0.5,
        np.full_like(image, np.nan),
        np.full_like(image, np.inf),
    ):
        with pytest.raises(mlflow.exceptions.MlflowException, match="whole numbers from 0 to 255"):
            model.predict(wrong)
    with pytest.raises(mlflow.exceptions.MlflowException, match="divided by 255"):
        model.predict(image / 255)


def test_keras_loads_the_classifier_itself_which_takes_uint8(logged_model, artifacts):
    """Keras' own batch size is another one: its last digits are promised on no CPU."""
    classifier = mlflow.keras.load_model(logged_model.model_uri)
    stored = np.load(artifacts / "predictions.npz")["probabilities"]
    images = Synthetic().test().images
    same_batches = classifier.predict(images, batch_size=inference.BATCH_SIZE, verbose=0)
    np.testing.assert_array_equal(same_batches, stored)
    np.testing.assert_allclose(classifier.predict(images, verbose=0), stored, rtol=0, atol=1e-6)


def test_training_and_serving_predict_in_batches_of_one_size():
    assert loader.BATCH_SIZE == inference.BATCH_SIZE


def test_the_model_knows_the_names_of_its_classes(logged_model):
    names = mlflow.artifacts.load_dict(f"{logged_model.artifact_location}/classes.json")
    assert tuple(names) == Synthetic.classes


def test_a_damaged_model_is_not_loaded(logged_model, tmp_path):
    for damage in ("changed", "missing", "unlisted"):
        folder = tmp_path / damage
        mlflow.artifacts.download_artifacts(logged_model.model_uri, dst_path=str(folder))
        mlflow.pyfunc.load_model(str(folder))
        weights = folder / "data/model.keras"
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        {
            "changed": lambda path=weights, new=content: path.write_bytes(new),
            "missing": weights.unlink,
            "unlisted": (folder / "SHA256SUMS").unlink,
        }[damage]()
        with pytest.raises(ValueError, match="received"):
            mlflow.pyfunc.load_model(str(folder))


def test_the_stored_input_example_is_served_as_it_stands(logged_model, artifacts):
    from mlflow.models.utils import load_serving_example
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    model = mlflow.pyfunc.load_model(logged_model.model_uri)
    request = load_serving_example(logged_model.model_uri)
    import json

    parsed = infer_and_parse_data(json.loads(request), model.metadata.get_input_schema())
    stored = np.load(artifacts / "predictions.npz")["validation_probabilities"][:2]
    np.testing.assert_allclose(model.predict(parsed), stored, rtol=1e-5)


def test_the_model_states_exactly_what_it_needs(client, logged_model):
    text = mlflow.artifacts.load_text(f"{logged_model.artifact_location}/requirements.txt")
    names = [line.partition("==")[0] for line in io.StringIO(text).read().split()]
    assert names == ["mlflow", "keras", "numpy", "tensorflow"]
    assert text.count("==") == 4


def test_model_metrics_and_datasets_are_linked(run, logged_model):
    assert logged_model.status == "READY"
    assert logged_model.source_run_id == run.info.run_id
    assert logged_model.params["epoch"] == str(int(run.data.metrics["best/epoch"]))
    linked = {metric.key: metric for metric in logged_model.metrics}
    test_digest = Synthetic().test().sha256
    assert linked["test/accuracy"].value == run.data.metrics["test/accuracy"]
    assert test_digest.startswith(linked["test/accuracy"].dataset_digest)
    assert linked["best/val_loss"].value == run.data.metrics["best/val_loss"]
    assert linked["val/loss"].value == run.data.metrics["best/val_loss"]
