"""Rows 50 and 51: a stored model in a process that has other settings than the training had.

TensorFlow starts without oneDNN on a CPU without AVX-512; the variable brings that about anywhere.
"""

from __future__ import annotations

import json
import subprocess
import sys

import mlflow
import numpy as np
import pytest

from conftest import clean_environment
from fashion_dropout.learning.dataset import Synthetic
from faults.interrupting import only_run

pytestmark = pytest.mark.slow

PREDICT = """
import sys
import numpy as np
{before}
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
images = np.load("images.npy")
np.save("together.npy", model.predict(images))
np.save("alone.npy", np.concatenate([model.predict(images[i : i + 1]) for i in (0, 7, 299)]))
"""
HOSTILE = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
}
KERAS_JSON = {
    "floatx": "float64",
    "epsilon": 0.01,
    "backend": "torch",
    "image_data_format": "channels_first",
}


def predict(run, folder, before="", **variables):
    images = Synthetic().test().images[:300]
    np.save(folder / "images.npy", images.astype(np.float32))
    (folder / ".keras").mkdir()
    (folder / ".keras/keras.json").write_text(json.dumps(KERAS_JSON), encoding="utf-8")
    uri = mlflow.MlflowClient().get_logged_model(run.outputs.model_outputs[0].model_id)
    return subprocess.run(
        [sys.executable, "-c", PREDICT.format(before=before), uri.artifact_location],
        cwd=folder,
        env=clean_environment(HOME=str(folder), **variables),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def run(finished_run):
    return only_run(finished_run.folder)


@pytest.fixture
def recorded(run):
    path = mlflow.MlflowClient().download_artifacts(run.info.run_id, "predictions.npz")
    return np.load(path)["probabilities"][:300]


def test_it_gives_the_bits_of_the_training_whatever_the_process_is_set_to(run, recorded, tmp_path):
    done = predict(run, tmp_path, **HOSTILE)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "together.npy"), recorded)
    np.testing.assert_array_equal(np.load(tmp_path / "alone.npy"), recorded[[0, 7, 299]])


def test_who_has_imported_tensorflow_with_other_kernels_is_told(run, recorded, tmp_path):
    done = predict(
        run, tmp_path, "import tensorflow", TF_ENABLE_ONEDNN_OPTS="0", KERAS_BACKEND="tensorflow"
    )
    assert done.returncode == 0, done.stderr
    assert "with TF_ENABLE_ONEDNN_OPTS=1, as this model was trained, received 0" in done.stderr
    found = np.load(tmp_path / "together.npy")
    np.testing.assert_allclose(found, recorded, atol=1e-5)
