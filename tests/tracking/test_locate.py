"""A model is found by each of its names, and what is no model is refused in one line."""

from __future__ import annotations

import shutil
from dataclasses import asdict

import mlflow
import pytest

from fashion_dropout.errors import DataError, TrackingError, UsageError
from fashion_dropout.tracking.models import locate
from registered import NAME, register, using


@pytest.fixture(scope="module")
def registry(finished_run, tmp_path_factory):
    return register(finished_run, tmp_path_factory.mktemp("registry"))


@pytest.fixture
def used(registry):
    """The store of the registry, used by MLflow in this process."""
    with using(registry.uri):
        yield registry


@pytest.mark.parametrize(
    "reference",
    [
        "champion", "1", "{run_id}", "runs:/{run_id}/model", f"models:/{NAME}/1",
        f"models:/{NAME}@champion", "models:/{model_id}", f"models:/{NAME}/latest",
        "runs:/{run_id}",
    ],
)  # fmt: skip
def test_a_model_is_found_by_each_of_its_names(used, tmp_path, reference):
    found = locate.locate(reference.format(**asdict(used)), NAME, tmp_path)
    assert found == used.model
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
        ("", "expected models:/<name>/<version>, .*, received 'models:/fashion-mnist-cnn@'"),
    ],
)
def test_a_model_that_does_not_exist_is_refused_in_one_line(used, tmp_path, reference, message):
    known = asdict(used)
    with pytest.raises(UsageError, match=message.format(**known)) as refused:
        locate.locate(reference.format(**known), NAME, tmp_path)
    assert "\n" not in str(refused.value)


def test_a_version_whose_folder_is_gone_is_refused_in_one_line(used, tmp_path):
    gone = f"file://{tmp_path}/gone"
    mlflow.MlflowClient().create_registered_model("moved")
    mlflow.MlflowClient().create_model_version("moved", gone, used.run_id)
    with pytest.raises(TrackingError, match=f"expected the model's folder {tmp_path}/gone"):
        locate.locate("1", "moved", tmp_path)


def test_a_question_creates_no_store(workdir, tmp_path):
    with (
        using(f"sqlite:///{workdir / 'mlflow.db'}"),
        pytest.raises(UsageError, match="expected an MLflow store in"),
    ):
        locate.locate("champion", NAME, tmp_path)
    assert list(workdir.iterdir()) == []


def test_a_path_is_taken_as_it_is_and_the_checksums_of_a_folder_are_verified(registry, tmp_path):
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


def test_a_store_that_cannot_be_one_is_one_line(workdir, tmp_path):
    expected = "expected a SQLite store such as sqlite:///mlflow.db, received sqlite:no-slashes.db;"
    with using("sqlite:no-slashes.db"), pytest.raises(UsageError, match=expected):
        locate.locate("champion", NAME, tmp_path)
