"""MLflow tells its makers nothing of what this program does, unless the user wants it to."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASK = """
from fashion_dropout.environment import settle
settle()
import mlflow
from mlflow.telemetry import utils
from mlflow.telemetry.client import get_telemetry_client
print(utils.is_telemetry_disabled(), get_telemetry_client() is None)
"""
SET = """
import os
from fashion_dropout.environment import settle
settle()
print(os.environ['MLFLOW_DISABLE_TELEMETRY'])
"""
# MLflow sends nothing from where these are set, which would hide what the program does.
HIDING = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")


def answer(program: str, **chosen: str) -> list[str]:
    plain = {name: value for name, value in os.environ.items() if name not in HIDING}
    asked = subprocess.run(
        [sys.executable, "-c", program],
        env={**plain, **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.split()


@pytest.mark.slow  # imports MLflow in a process of its own
def test_telemetry_is_off_in_what_this_program_starts():
    assert answer(ASK) == ["True", "True"]


def test_a_user_may_want_it():
    assert answer(SET, MLFLOW_DISABLE_TELEMETRY="false") == ["false"]
