"""Row 27: files that try to do something when they are loaded as a model."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from fashion_dropout.errors import DataError, FashionDropoutError
from fashion_dropout.learning.arrays import read_arrays

pytestmark = pytest.mark.usefixtures("tensorflow")


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (__import__("os").mkdir, (str(self.canary),))


@pytest.fixture
def canary(tmp_path) -> Path:
    """What a hostile file would make."""
    return tmp_path / "it ran"


def our_model(path: Path) -> Path:
    from fashion_dropout.learning.model import build_classifier, build_network

    build_classifier(build_network(0.5, 0)).save(path)
    return path


def hostile_files(folder: Path, canary: Path) -> dict[str, Path]:
    """What the file is → the file."""
    import keras

    image = keras.Input((28, 28, 1), dtype="uint8")
    name = str(canary)
    code = keras.layers.Lambda(lambda x: (__import__("os").mkdir(name), x)[1])(image)
    model = keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(code)))
    canary.rmdir()  # building it has run it
    files = {
        "a Lambda layer": folder / "lambda.keras",
        "a Lambda layer in HDF5": folder / "lambda.h5",
        "HDF5 that is called .keras": folder / "hdf5.keras",
    }
    model.save(files["a Lambda layer"])
    model.save(files["a Lambda layer in HDF5"])
    files["HDF5 that is called .keras"].write_bytes(files["a Lambda layer in HDF5"].read_bytes())
    for what, file in {"a pickle": "pickle.keras", "a .pkl": "model.pkl"}.items():
        files[what] = folder / file
        files[what].write_bytes(pickle.dumps(Planted(canary)))
    config = {"module": "os", "class_name": "mkdir", "config": {"path": name},
              "registered_name": "mkdir", "build_config": None}  # fmt: skip
    files["a class of another package"] = folder / "class.keras"
    with zipfile.ZipFile(our_model(folder / "ours.keras")) as ours:
        parts = {part: ours.read(part) for part in ours.namelist()}
    with zipfile.ZipFile(files["a class of another package"], "w") as packed:
        for part, content in parts.items():
            changed = json.dumps(config).encode() if part == "config.json" else content
            packed.writestr(part, changed)
    return files


def test_a_hostile_model_is_refused_and_does_nothing(tmp_path, canary):
    from fashion_dropout.learning.inference import load_classifier

    for what, path in hostile_files(tmp_path, canary).items():
        with pytest.raises(DataError, match="expected a Keras model") as refused:
            load_classifier(path)
        assert "\n" not in str(refused.value), what
        assert not canary.exists(), what


def test_weights_that_link_to_another_file_are_refused(tmp_path):
    """An external link in the HDF5 file would read any file of this machine as weights."""
    from fashion_dropout.learning.inference import load_classifier

    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["vars"] = np.zeros((128, 10), np.float32)
    path, ours = tmp_path / "link.keras", our_model(tmp_path / "ours.keras")
    with zipfile.ZipFile(ours) as packed:
        parts = {part: packed.read(part) for part in packed.namelist()}
    weights = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        found: list[str] = []
        file.visititems(lambda n, item: found.append(n) if isinstance(item, h5py.Dataset) else None)
        (place, *_) = [name for name in found if file[name].shape == (128, 10)]
        del file[place]
        file[place] = h5py.ExternalLink(str(secret), "/vars")
    parts["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(path, "w") as packed:
        for part, content in parts.items():
            packed.writestr(part, content)
    with pytest.raises(DataError, match="expected a Keras model"):
        load_classifier(path)


def test_arrays_are_never_unpickled_and_never_larger_than_they_say(tmp_path, canary):
    planted = np.array([Planted(canary)], dtype=object)
    np.savez(tmp_path / "planted.npz", probabilities=planted)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 10)}
    )
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as packed:
        packed.writestr("probabilities.npy", header.getvalue() + bytes(40))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("probabilities.npy", bytes(2**28 + 1))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**20
    for name in ("planted", "huge", "bomb"):
        with pytest.raises(FashionDropoutError, match=rf"{name}\.npz: expected"):
            read_arrays(tmp_path / f"{name}.npz", "probabilities")
    assert not canary.exists()
