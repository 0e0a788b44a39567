"""The wings do not know each other: held by import-linter, and by looking at a real process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import ROOT


def test_the_contracts_of_the_wings_are_kept():
    done = subprocess.run(
        ["lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (
            "comparison.report, fashion_dropout.comparison.figures",
            {"tensorflow", "keras", "mlflow"},
        ),
        ("learning.dataset, fashion_dropout.learning.metrics", {"mlflow", "tensorflow"}),
        ("learning.training", {"mlflow"}),
        ("tracking.runs, fashion_dropout.tracking.store", {"tensorflow", "keras"}),
    ],
)
def test_a_wing_brings_no_other_along(modules, absent):
    code = f"import fashion_dropout.{modules}, sys; print(*{absent!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_importing_changes_nothing_in_the_working_directory(tmp_path):
    code = (
        "import fashion_dropout.cell, fashion_dropout.cli, fashion_dropout.outcome,"
        "fashion_dropout.study_record, fashion_dropout.reporting, fashion_dropout.ui,"
        "fashion_dropout.tracking.runs, fashion_dropout.learning.training"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_modules_stay_small():
    long = {
        path.name: count
        for path in (ROOT / "src").rglob("*.py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 260
    }
    assert long == {}
