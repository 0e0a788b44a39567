"""The wings do not know each other: held by import-linter, and by looking at a real process."""

from __future__ import annotations

import ast
import itertools
import re
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
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    layers = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert len(layers) == 2, "those of the package, and those of tracking"
    for names in layers:
        above_below = itertools.pairwise(layer.replace("|", "&") for layer in names)
        arrows = [f"  {above} --> {below}" for above, below in above_below]
        assert "\n".join(["```mermaid", "flowchart TD", *arrows, "```"]) in contributing


def test_contributing_tells_where_to_look_for_every_module():
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (`.+`) \|$", contributing, flags=re.MULTILINE)
    told = set()
    for what, where in rows:
        (first, *others) = re.findall(r"`([\w./]+)`", where)
        told |= {first, *others}
        told |= {f"{first}{name}" for name in re.findall(r"`([\w/]+\.py)`", what)}
    package = ROOT / "src/fashion_dropout"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    assert {name for name in modules if not name.endswith("__init__.py")} <= told


@pytest.mark.slow  # a process that imports everything
@pytest.mark.parametrize(
    "steps",
    [
        (
            ("comparison.verdict reports.html reports.figures", {"tensorflow", "keras", "mlflow"}),
            ("learning.dataset learning.metrics", {"tensorflow", "mlflow"}),
            ("learning.training", {"mlflow"}),
        ),
        (
            ("tracking.recording.run tracking.store.connect", {"tensorflow", "keras"}),
            (
                "cli runs.train runs.artifacts studies.read studies.report tracking.pages.serve",
                set(),
            ),
        ),
    ],
    ids=["comparison and learning", "tracking and the rest"],
)
def test_a_wing_brings_no_other_along_and_importing_leaves_nothing(steps, tmp_path):
    """In one process, what may bring least is imported first."""
    code = "import importlib, sys\n" + "".join(
        f"for name in {modules.split()}: importlib.import_module('fashion_dropout.' + name)\n"
        f"print(*{absent!r} & sys.modules.keys())\n"
        for modules, absent in steps
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n" * len(steps)
    assert list(tmp_path.iterdir()) == []


def test_modules_and_functions_stay_small():
    long = {}
    for path in (ROOT / "src").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if (lines := len(source.splitlines())) > 250:
            long[path.name] = lines
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                if (lines := node.end_lineno - node.lineno + 1) > 60:
                    long[f"{path.name}: {node.name}"] = lines
    assert long == {}


def test_few_modules_change_the_environment_and_they_are_known():
    """`environment` decides. The others put down and take up what it has decided, or what is theirs
    alone: TensorFlow's kernels, the run that a launcher has made, MLflow's timeouts.
    """
    package = ROOT / "src/fashion_dropout"
    changes = re.compile(
        r"os\.environ\[[^\]]+\] = |os\.environ \|= |os\.environ\.(pop|update|set)"
        r"|del os\.environ|putenv"
    )
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if changes.search(path.read_text(encoding="utf-8"))
    }
    assert found == {
        "environment.py",
        "learning/kernels.py",
        "tracking/recording/launched.py",
        "tracking/store/calls.py",
    }
