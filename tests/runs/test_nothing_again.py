"""The command of a finished run: the store answers, and TensorFlow is not started for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from conftest import TRAIN, clean_environment
from fashion_dropout.learning import kernels
from fashion_dropout.learning.runtime import start_tensorflow

WATCHED = """
import sys
from fashion_dropout.cli import main
try: main(sys.argv[1:])
finally: print(sorted({"tensorflow", "keras", "matplotlib", "distributed"} & sys.modules.keys()))
"""


@pytest.mark.slow  # a process that imports MLflow
def test_tensorflow_is_not_started_for_a_run_that_has_finished(finished_run, tmp_path):
    shutil.copy(finished_run.folder / "mlflow.db", tmp_path)
    (tmp_path / "mlruns").symlink_to(finished_run.folder / "mlruns")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *TRAIN],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing is trained again (--fresh trains it again)" in done.stdout
    assert "test accuracy" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.skipif(not kernels.is_x86_64(), reason="only there anything can be foreseen")
def test_what_is_foreseen_is_what_tensorflow_then_computes_with():
    """As far as this process has not begun otherwise: its variables are those that decided."""
    started = start_tensorflow(1)
    if started.onednn == (os.environ.get(kernels.ONEDNN_VARIABLE) == "1"):
        assert kernels.foreseen("native", "cpu") == started
    assert kernels.foreseen("native", "gpu") is None
