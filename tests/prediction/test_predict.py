"""``predict`` from the model's name to what is printed, with a model that a real run has stored."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from conftest import clean_environment, run_command
from fashion_dropout import provenance
from fashion_dropout.cli import cli
from fashion_dropout.errors import UsageError
from fashion_dropout.learning.dataset import CLASSES, Synthetic
from fashion_dropout.learning.own_images import OwnImages
from fashion_dropout.prediction import predict as prediction
from registered import NAME, using


@pytest.fixture
def predict(registry, tensorflow, monkeypatch):
    """`prediction.predict` on one thread in this process; returns the errors, too."""
    monkeypatch.setattr(provenance, "cores", lambda: 1)

    def run(*paths, **options):
        errors: list[str] = []
        options = {"model": str(registry.model), "model_name": NAME} | options
        return prediction.predict(paths, errors.append, print, **options), errors

    return run


def test_probabilities_are_those_of_the_training_program(predict, images, registry):
    predictions, errors = predict("1.png", "images-idx3-ubyte", "0.png")
    assert errors == []
    assert [file.pictures.file for file in predictions] == ["1.png", "images-idx3-ubyte", "0.png"]
    with using(registry.uri):
        stored = mlflow.artifacts.download_artifacts(f"runs:/{registry.run_id}/predictions.npz")
    expected = np.load(stored)["probabilities"]
    found = np.concatenate([file.probabilities for file in predictions])
    np.testing.assert_allclose(found, expected[[1, 0, 1, 2, 0]], rtol=1e-4)


def test_a_probability_does_not_depend_on_the_pictures_beside_it(predict, images, idx_images):
    (images / "many").write_bytes(idx_images)
    (alone,), _ = predict("0.png")
    together, _ = predict("1.png", "images-idx3-ubyte", "0.png", "many")
    first = alone.probabilities[0]
    for found in (
        together[1].probabilities[0],
        together[2].probabilities[0],
        together[3].probabilities[0],
    ):
        np.testing.assert_array_equal(found, first)


def test_class_names_are_those_in_the_folder_of_the_model(predict, images, registry, tmp_path):
    (file,), _ = predict("0.png")
    assert file.classes == Synthetic.classes
    bare = shutil.copy(registry.model / "data" / "model.keras", tmp_path)
    (file,), _ = predict("0.png", model=str(bare))
    assert file.classes == OwnImages.classes, "it was not trained on Fashion-MNIST"
    from fashion_dropout.learning.model import build_classifier, build_network

    build_classifier(build_network(0.5, 0)).save(tmp_path / "real.keras")
    (file,), _ = predict("0.png", model=str(tmp_path / "real.keras"))
    assert file.classes == CLASSES


@pytest.mark.parametrize("name", ["./model.keras", "model.keras"])
def test_a_bare_file_may_be_named_as_seen_from_where_the_user_stands(
    predict, images, registry, monkeypatch, name
):
    monkeypatch.chdir(images)
    shutil.copy(registry.model / "data" / "model.keras", images)
    (file,), errors = predict("0.png", model=name)
    assert (file.classes, errors) == (OwnImages.classes, [])


def test_what_cannot_be_read_is_reported_and_the_rest_is_predicted(predict, images):
    (images / "notes.png").write_text("no image")
    (images / "empty").mkdir()
    predictions, errors = predict("none.png", "0.png", "notes.png", "empty", "", "1.png")
    assert [file.pictures.file for file in predictions] == ["0.png", "1.png"]
    assert [error.partition(": expected")[0] for error in errors[:3]] == [
        "none.png",
        "notes.png",
        "empty",
    ]
    assert "GIF or BMP files, or IDX files, in it, received none" in errors[2]
    assert "received an empty one" in errors[3]
    assert predict("none.png")[0] == []


def test_monte_carlo_dropout_gives_means_and_spreads(predict, images):
    (plain,), _ = predict("0.png")
    (first,), _ = predict("0.png", masks=30)
    _, second = predict("1.png", "0.png", masks=30)[0]
    assert plain.spreads is None
    assert first.spreads is not None
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.spreads, second.spreads)
    assert first.spreads.max() > 0.001
    np.testing.assert_allclose(first.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_bad_options_are_refused():
    for wrong in (["--top", "0"], ["--top", "11"], ["--lang", "de"], ["--format", "xml"],
                  ["--invert", "maybe"], ["--mc-dropout", "1"], []):  # fmt: skip
        arguments = ["predict", *(["0.png"] if wrong else []), *wrong]
        assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_no_paths_on_standard_input_are_no_success(workdir):
    result = CliRunner().invoke(cli, ["predict", "-"], input="\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: expected the name of an image file, received an empty one\n"


@pytest.mark.slow
def test_the_whole_command_asks_the_registry_and_leaves_mlflow_out(registry, images):
    """One process from shell to shell; its exit code also says whether MLflow was imported."""
    code = (
        "import sys; from fashion_dropout.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally:\n"
        "    assert 'tensorflow' in sys.modules\n"
        "    assert 'mlflow' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "-", "0.png", "--lang", "ja", "--format", "json"],
        env=clean_environment(MLFLOW_TRACKING_URI=registry.uri, PYTHONIOENCODING="utf-8"),
        input="1.png\n\nnone.png\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "Error: none.png: expected an image file, received no such file\n"
    assert done.returncode == 1
    one, other = json.loads(done.stdout)
    assert (one["file"], other["file"]) == ("1.png", "0.png")
    (best,) = one["predictions"]
    assert best["class"] == f"pattern {best['label']}"  # only real classes have Japanese names
    assert {path.name for path in images.iterdir()} == {"0.png", "1.png", "images-idx3-ubyte"}


def test_a_model_that_is_not_there_is_refused(predict, registry, images):
    refused = pytest.raises(UsageError, match="expected a version or an alias of fashion-mnist-cnn")
    with using(registry.uri), refused:
        predict("0.png", model="challenger")


@pytest.mark.slow
def test_a_model_that_is_not_there_ends_the_command_in_one_line(registry, images):
    arguments = ("predict", "0.png", "--model", "challenger")
    environment = {"MLFLOW_TRACKING_URI": registry.uri}
    done = run_command(*arguments, cwd=images, environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: expected a version or an alias of fashion-mnist-cnn")


def test_only_unreadable_images_end_the_command_at_once(command, registry, tmp_path):
    environment = {"MLFLOW_TRACKING_URI": registry.uri}
    done = command("predict", "one.png", "two.png", environment=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.partition(": expected")[0] for line in done.stderr.splitlines()] == [
        "Error: one.png",
        "Error: two.png",
    ]


@pytest.mark.slow
def test_a_reader_that_stops_early_is_no_error(registry, workdir, idx_images):
    (workdir / "many").write_bytes(idx_images)
    done = subprocess.run(
        [
            "sh",
            "-c",
            '"$0" -m fashion_dropout predict many --top 10 --format csv --model "$1" | head -n 1',
            sys.executable,
            str(registry.model),
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "file,index,rank,label,class,probability,prepared\n"


@pytest.mark.slow
def test_a_model_on_a_tracking_server_is_brought_here_and_not_left(images, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder, temporary = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("temporary")
    here = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "TMPDIR": str(temporary)}
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{here['MLFLOW_TRACKING_URI']}/health").close()
                break
            except OSError:
                time.sleep(0.1)
        arguments = ("train", "--dataset", "synthetic", "--epochs", "1")
        trained = run_command(*arguments, cwd=images, environment=here)
        run_id = trained.stdout.partition("\nrun ")[2].partition("\n")[0]
        done = run_command("predict", "0.png", "--model", run_id, cwd=images, environment=here)
        assert (done.returncode, done.stderr) == (0, "")
        assert "0.png  1 " in done.stdout
        assert list(temporary.rglob("*.keras")) == []
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
