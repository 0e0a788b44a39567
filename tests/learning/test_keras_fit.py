"""The short program with Keras fit, as somebody runs it who has just read docs/keras-fit.md."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from conftest import ROOT, clean_environment

KERAS_FIT = ROOT / "experiments/dropout/keras_fit.py"


@pytest.mark.slow
def test_it_runs_and_draws_its_curves(tmp_path):
    arguments = ("--images", "600", "--epochs", "2", "--output", "curves.png")
    done = subprocess.run(
        [sys.executable, str(KERAS_FIT), *arguments],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for regime in ("no dropout", "dropout"):
        shown = rf"^{regime}: test loss \d\.\d{{4}}, test accuracy 0\.\d{{4}}$"
        assert re.search(shown, done.stdout, re.MULTILINE)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
