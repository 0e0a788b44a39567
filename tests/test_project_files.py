"""What the project says of itself in several places must agree."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import shlex
import subprocess
import tomllib
import warnings
import zipfile
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

import fashion_dropout
from conftest import ROOT
from fashion_dropout.cli import cli
from fashion_dropout.learning import archives


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pyproject():
    return tomllib.loads(text("pyproject.toml"))


@pytest.fixture(scope="module")
def conda():
    return yaml.safe_load(text("conda.yaml"))


ENTRY_POINTS = yaml.safe_load(text("MLproject"))["entry_points"]


def verb_and_passed(entry_point: str) -> tuple[click.Command, dict[str, str]]:
    """The verb that an entry point calls, and what it passes to each argument and option."""
    words = shlex.split(ENTRY_POINTS[entry_point]["command"])
    assert words[:2] == ["python", "src/fashion_dropout"]
    verb, rest = cli.commands[words[2]], words[3:]
    arguments = [parameter for parameter in verb.params if isinstance(parameter, click.Argument)]
    passed = {argument.name: rest.pop(0) for argument in arguments}
    options = {parameter.opts[0]: parameter.name for parameter in verb.params}
    passed |= {options[option]: text for option, text in zip(rest[::2], rest[1::2], strict=True)}
    return verb, passed


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_every_parameter_is_passed_on_with_the_default_of_its_option(entry_point):
    verb, passed = verb_and_passed(entry_point)
    declared = ENTRY_POINTS[entry_point]["parameters"]
    assert passed == {name: f"{{{name}}}" for name in declared}
    known = {parameter.name: parameter for parameter in verb.params}
    for name, of in declared.items():
        assert of["type"] in ("float", "int", "string")
        if known[name].required:
            assert "default" not in of
        else:
            assert of["default"] == known[name].default, name


def test_conda_and_pyproject_pin_the_same_versions(pyproject, conda):
    (pip,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    direct = pyproject["project"]["dependencies"]
    assert pip[: len(direct)] == direct
    assert all(re.fullmatch(r"[a-z0-9-]+==[\d.]+", pin) for pin in direct)
    for group in pyproject["dependency-groups"].values():
        for pin in group:
            assert re.fullmatch(r"[a-z0-9-]+==[\d.]+", pin), pin


def test_every_installed_package_is_pinned(pyproject):
    pins = pyproject["tool"]["uv"]["constraint-dependencies"]
    assert pins == sorted(pins)
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.!+]+", pin) for pin in pins)
    pinned = dict(pin.split("==") for pin in pins)
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name != "fashion-mnist-dropout":
            assert pinned.get(name) == distribution.version, f"{name}: run .ci/pin.py"
    groups = pyproject["dependency-groups"].values()
    for direct in itertools.chain(pyproject["project"]["dependencies"], *groups):
        assert direct in pins


def brought_along(direct: list[str]) -> dict[str, str]:
    """Every package that some requirements need on this machine: name → installed version."""
    found: dict[str, str] = {}
    open_, seen = [Requirement(one) for one in direct], set()
    while open_:
        requirement = open_.pop()
        name, extras = canonicalize_name(requirement.name), requirement.extras or {""}
        if (name, *extras) in seen:
            continue
        seen.add((name, *extras))
        distribution = importlib.metadata.distribution(name)
        found[name] = distribution.version
        open_ += [
            one
            for one in map(Requirement, distribution.requires or [])
            if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return found


def test_conda_pins_all_that_the_dependencies_bring_along(pyproject, conda):
    (pip,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    pins = dict(pin.partition(";")[0].strip().split("==") for pin in pip)
    needed = brought_along(pyproject["project"]["dependencies"])
    assert {name: pins.get(name) for name in needed} == needed, "run .ci/pin.py"
    on_windows_only = {"pywin32", "waitress"}
    assert pins.keys() - needed.keys() == on_windows_only


def test_conda_can_read_its_file(conda):
    assert conda["channels"] == ["conda-forge"]
    specs = [MatchSpec(entry) for entry in conda["dependencies"] if isinstance(entry, str)]
    assert [str(spec.name.normalized) for spec in specs] == ["python", "pip"]
    assert specs[0].version == "3.11.*" or "3.11" in str(specs[0].version)
    assert [entry for entry in conda["dependencies"] if isinstance(entry, str)] == [
        "python=3.11",  # MLflow's translation for uv and virtualenv understands no other form
        "pip",
    ]


def test_the_version_is_the_newest_of_the_changelog_and_the_one_that_is_cited():
    heading = r"^## (\d+\.\d+\.\d+) — (\d{4}-\d\d-\d\d)$"
    released = re.findall(heading, text("CHANGELOG.md"), re.MULTILINE)
    cited = yaml.safe_load(text("CITATION.cff"))
    assert released[0] == (cited["version"], str(cited["date-released"]))
    assert released[0][0] == fashion_dropout.__version__
    assert importlib.metadata.version("fashion-mnist-dropout") == fashion_dropout.__version__
    assert [date for _, date in released] == sorted((date for _, date in released), reverse=True)


def test_what_is_unreleased_stands_above_the_newest_release():
    headings = re.findall(r"^## (.*)$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings.count("Unreleased") == 1


@pytest.mark.parametrize(
    "category",
    [UserWarning, DeprecationWarning, FutureWarning, RuntimeWarning, SyntaxWarning, ImportWarning],
)
def test_a_warning_of_this_program_is_an_error_in_tests(category):
    for text in (
        "of ours",
        "invalid escape sequence",
        "The ``noload`` loader strategy is deprecated",
    ):
        with pytest.raises(category):
            warnings.warn_explicit(text, category, "x.py", 1, "fashion_dropout.x")


def test_nothing_is_committed_that_must_not_be():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if listed == [""]:
        pytest.skip("these tests do not run from a git checkout")
    forbidden = re.compile(r"(\.lock|\.db|\.gz|\.keras|\.h5|\.npz)$|(^|/)(mlruns|mlartifacts)/")
    found = [name for name in listed if forbidden.search(name)]
    assert found == [f"data/fashion-mnist/{name}" for name in archives.SHA256]


def test_the_dataset_comes_with_its_licence_and_its_digests():
    folder = archives.CHECKOUT
    assert folder == ROOT / "data/fashion-mnist"
    assert archives.locate(folder) == folder
    listing = "".join(f"{digest}  {name}\n" for name, digest in archives.SHA256.items())
    assert (folder / "SHA256SUMS").read_text(encoding="ascii") == listing
    assert "Copyright © 2017 Zalando SE" in (folder / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_wheel_contains_the_package_and_no_data(tmp_path):
    subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path], cwd=ROOT, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        files = {each.filename: each.file_size for each in content.infolist()}
    tops = {name.partition("/")[0] for name in files}
    assert tops == {"fashion_dropout", wheel.name.split("-py3")[0] + ".dist-info"}
    of_package = {Path(name).suffix for name in files if name.startswith("fashion_dropout/")}
    assert of_package <= {".py", ".typed", ".toml", ".j2", ".json", ".css", ".bib"}
    assert "fashion_dropout/py.typed" in files
    assert max(files.values()) < 100_000, "code and texts have no file so large; archives have"


def test_the_licence_names_its_holder():
    assert "BSD 3-Clause" in text("LICENSE")
    assert "2025, Takuto Kanno" in text("LICENSE")


def test_pre_commit_uses_the_pinned_tools(pyproject):
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))
    entries = [hook["entry"] for repository in hooks["repos"] for hook in repository["hooks"]]
    assert entries == [f".ci/check {what}" for what in ("style", "spelling", "types")]
    tools = ("ruff check", "codespell", "mypy")
    assert all(f"uv run {tool}" in text(".ci/check") for tool in tools)
    assert all(repository["repo"] == "local" for repository in hooks["repos"])
