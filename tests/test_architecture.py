"""The wings do not know each other: held by import-linter, and by looking at a real process."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT


def test_the_contracts_of_the_wings_are_kept():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_contributing_draws_the_layers_that_the_contract_holds():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    names = [layer.replace("|", "&") for layer in layers]
    arrows = [f"  {above} --> {below}" for above, below in itertools.pairwise(names)]
    drawn = "\n".join(["```mermaid", "flowchart TD", *arrows, "```"])
    assert drawn in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (
            "comparison.verdict, fashion_dropout.reports.html, fashion_dropout.reports.figures",
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
        "import fashion_dropout.runs.train, fashion_dropout.cli, fashion_dropout.runs.artifacts,"
        "fashion_dropout.studies.read, fashion_dropout.studies.report, fashion_dropout.tracking.ui,"
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
