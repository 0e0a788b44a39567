"""``predict`` from the model's name to what is printed, with a model that a real run has stored."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from conftest import clean_environment, run_command
from fashion_dropout import prediction
from fashion_dropout.cli import cli
from fashion_dropout.errors import DataError, TrackingError, UsageError
from fashion_dropout.learning.dataset import CLASSES, Synthetic
from fashion_dropout.tracking import locate

NAME = "fashion-mnist-cnn"
TEST = Synthetic().test()


@pytest.fixture(scope="module")
def registry(finished_run, tmp_path_factory):
    """A copy of a real run's store in which its model is version 1, the champion."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(finished_run.folder / "mlflow.db", folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    client.create_registered_model(NAME)
    version = client.create_model_version(
        NAME, model.artifact_location, run.info.run_id, model_id=model.model_id
    )
    client.set_registered_model_alias(NAME, "champion", version.version)
    mlflow.set_tracking_uri(before)
    return SimpleNamespace(
        folder=folder,
        uri=uri,
        run_id=run.info.run_id,
        model_id=model.model_id,
        model=Path(model.artifact_location.removeprefix("file://")),
    )


@pytest.fixture
def asked(registry):
    """MLflow of this process, told to use that store."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(registry.uri)
    yield registry
    mlflow.set_tracking_uri(before)


@pytest.fixture
def images(workdir):
    """The first test images: two as files, three in an IDX file."""
    for number in range(2):
        Image.fromarray(TEST.images[number, ..., 0]).save(workdir / f"{number}.png")
    write_idx(workdir / "images-idx3-ubyte", 3)
    return workdir


def write_idx(path: Path, count: int) -> None:
    header = struct.pack(">4I", 0x00000803, count, 28, 28)
    path.write_bytes(header + TEST.images[:count].tobytes())


@pytest.fixture
def predict(registry, tensorflow):
    """`prediction.predict` in this process, on one thread as all its tests; with what it said."""

    def run(*paths, **options):
        complaints: list[str] = []
        options = {"model": str(registry.model), "model_name": NAME, "threads": 1} | options
        return prediction.predict(paths, complaints.append, **options), complaints

    return run


@pytest.mark.parametrize(
    "reference",
    [
        "champion", "1", "{run_id}", "runs:/{run_id}/model", f"models:/{NAME}/1",
        f"models:/{NAME}@champion", "models:/{model_id}", f"models:/{NAME}/latest",
    ],
)  # fmt: skip
def test_a_model_is_found_by_each_of_its_names(asked, tmp_path, reference):
    found = locate.locate(reference.format(**vars(asked)), NAME, tmp_path)
    assert found == asked.model
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("challenger", "expected a version or an alias of fashion-mnist-cnn.*'challenger'"),
        ("2", "received '2'"),
        ("0" * 32, "received '0+': Run with id=0+ not found"),
        ("models:/other/1", "models:/other/1"),
        ("models:/m-0123", "models:/m-0123"),
        ("models:/one/two/three", "expected models:/<name>/<version>"),
        ("runs:/{run_id}/other", "with a model 'other', received {run_id} with 'model'"),
        ("no alias", "Invalid alias name"),
    ],
)
def test_a_model_that_is_not_there_is_one_line(asked, tmp_path, reference, message):
    known = vars(asked)
    with pytest.raises(UsageError, match=message.format(**known)) as refused:
        locate.locate(reference.format(**known), NAME, tmp_path)
    assert "\n" not in str(refused.value)


def test_a_version_whose_folder_is_gone_is_one_line(asked, tmp_path):
    gone = f"file://{tmp_path}/gone"
    mlflow.MlflowClient().create_registered_model("moved")
    mlflow.MlflowClient().create_model_version("moved", gone, asked.run_id)
    with pytest.raises(TrackingError, match=f"expected the model's folder {tmp_path}/gone"):
        locate.locate("1", "moved", tmp_path)


def test_a_question_makes_no_store(workdir, tmp_path):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{workdir / 'mlflow.db'}")
    with pytest.raises(UsageError, match="expected an MLflow store with a model"):
        locate.locate("champion", NAME, tmp_path)
    mlflow.set_tracking_uri(before)
    assert list(workdir.iterdir()) == []


def test_a_path_is_taken_as_it_is_and_a_folder_is_held_against_its_checksums(registry, tmp_path):
    weights = registry.model / "data" / "model.keras"
    for path in (registry.model, weights):
        with locate.locating(str(path), NAME) as find:
            assert find() == weights
    for path in ("nowhere.keras", str(tmp_path / "nowhere")):
        with pytest.raises(UsageError, match="received no such"), locate.locating(path, NAME):
            pass
    damaged = shutil.copytree(registry.model, tmp_path / "damaged")
    with (damaged / "data" / "model.keras").open("r+b") as stream:
        stream.seek(1_000)
        stream.write(b"damage")
    with locate.locating(str(damaged), NAME) as find, pytest.raises(DataError, match="damaged"):
        find()
    with locate.locating(str(tmp_path), NAME) as find, pytest.raises(DataError, match="SHA256SUMS"):
        find()


def test_probabilities_are_those_of_the_training_program(predict, images, asked):
    predicted, complaints = predict("1.png", "images-idx3-ubyte", "0.png")
    assert complaints == []
    assert [file.pictures.file for file in predicted] == ["1.png", "images-idx3-ubyte", "0.png"]
    stored = mlflow.artifacts.download_artifacts(f"runs:/{asked.run_id}/predictions.npz")
    expected = np.load(stored)["probabilities"]
    found = np.concatenate([file.probabilities for file in predicted])
    np.testing.assert_allclose(found, expected[[1, 0, 1, 2, 0]], rtol=1e-4)


def test_what_cannot_be_read_is_said_and_the_rest_is_predicted(predict, images):
    (images / "notes.png").write_text("no image")
    (images / "empty").mkdir()
    predicted, complaints = predict("none.png", "0.png", "notes.png", "empty", "", "1.png")
    assert [file.pictures.file for file in predicted] == ["0.png", "1.png"]
    assert [complaint.partition(": expected")[0] for complaint in complaints[:3]] == [
        "none.png",
        "notes.png",
        "empty",
    ]
    assert "expected PNG, JPEG or IDX files in the folder, received none" in complaints[2]
    assert "received an empty one" in complaints[3]
    assert predict("none.png")[0] == []


def test_a_folder_stands_for_the_images_in_it_by_name(images):
    for name in ("B.JPG", "a.jpeg", ".hidden.png", "notes.txt", "t10k-labels-idx1-ubyte.gz"):
        (images / name).touch()
    (images / "more.png").mkdir()
    assert [path.name for path in prediction.image_files(images)] == [
        "0.png",
        "1.png",
        "B.JPG",
        "a.jpeg",
        "images-idx3-ubyte",
    ]
    assert prediction.image_files(images / "0.png") == [images / "0.png"]


def test_monte_carlo_dropout_gives_means_and_spreads(predict, images):
    (plain,), _ = predict("0.png")
    (first,), _ = predict("0.png", masks=30)
    _, second = predict("1.png", "0.png", masks=30)[0]
    assert plain.spreads is None
    assert first.spreads is not None
    np.testing.assert_allclose(first.probabilities, second.probabilities, rtol=1e-4)
    np.testing.assert_allclose(first.spreads, second.spreads, rtol=1e-4)
    assert first.spreads.max() > 0.001
    np.testing.assert_allclose(first.probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.fixture
def found(predict, images):
    """Two classes each of a file with one image and of one with three."""
    predicted, _ = predict("0.png", "images-idx3-ubyte", masks=5)
    return prediction.records(predicted, top=2)


def test_json_has_one_object_an_image(found):
    read = json.loads(prediction.lay_out(found, "json"))
    assert [(image["file"], image["index"]) for image in read] == [
        ("0.png", 0),
        *(("images-idx3-ubyte", index) for index in range(3)),
    ]
    for image in read:
        assert image.keys() == {"file", "index", "prepared", "predictions"}
        assert image["prepared"] in ("as it is", "inverted")
        first, second = image["predictions"]
        assert first.keys() == {"label", "class", "probability", "spread"}
        assert first["class"] == f"pattern {first['label']}"  # as stored with the model
        assert 1 >= first["probability"] >= second["probability"] >= 0


def test_csv_has_a_row_for_each_class_of_each_image(found):
    rows = list(csv.DictReader(io.StringIO(prediction.lay_out(found, "csv"))))
    assert list(rows[0]) == [
        "file", "index", "rank", "label", "class", "probability", "spread", "prepared",
    ]  # fmt: skip
    assert [(row["file"], row["index"], row["rank"]) for row in rows[1:4]] == [
        ("0.png", "0", "2"),
        ("images-idx3-ubyte", "0", "1"),
        ("images-idx3-ubyte", "0", "2"),
    ]
    for row, of in zip(rows, [of for image in found for of in image["predictions"]], strict=True):
        assert np.float32(row["probability"]) == np.float32(of["probability"])


def test_a_table_is_straight_also_in_japanese(found, predict):
    lines = prediction.lay_out(found, "table").splitlines()
    assert lines[0].split() == [
        "file", "index", "rank", "label", "class", "probability", "spread", "prepared",
    ]  # fmt: skip
    assert len(lines) == 1 + 2 * 4
    predicted, _ = predict("0.png")
    real = [dataclasses.replace(one, classes=CLASSES) for one in predicted]
    japanese = prediction.records(real, "ja", top=10)
    header, *rows = prediction.lay_out(japanese, "table").splitlines()
    assert "index" not in header  # each file has one image
    assert "spread" not in header
    columns = {row.encode("shift_jis").rindex(b"0.") for row in rows}  # two bytes where two wide
    assert columns == {header.index("probability")}
    assert {row.split()[3] for row in rows} == set(prediction.CLASSES_IN_JAPANESE)


def test_bad_options_are_refused():
    for wrong in (["--top", "0"], ["--top", "11"], ["--lang", "de"], ["--format", "xml"],
                  ["--invert", "maybe"], ["--mc-dropout", "1"], []):  # fmt: skip
        arguments = ["predict", *(["0.png"] if wrong else []), *wrong]
        assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_no_paths_on_standard_input_are_no_success(workdir):
    result = CliRunner().invoke(cli, ["predict", "-"], input="\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: expected the name of an image file, received an empty one\n"


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


def test_a_model_that_is_not_there_ends_the_command_in_one_line(command, registry, images):
    arguments = ("predict", "0.png", "--model", "challenger")
    environment = {"MLFLOW_TRACKING_URI": registry.uri}
    done = command(*arguments, cwd=images, environment=environment)
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


def test_a_reader_that_stops_early_is_no_error(registry, images):
    write_idx(images / "many", 1_000)
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
