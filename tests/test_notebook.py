"""The notebook in both languages: one notebook in two, and it runs from top to bottom."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import mlflow
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from conftest import ROOT, clean_environment
from fashion_dropout.config.study import read_study

FOLDER = ROOT / "experiments/dropout"
NAMES = ("dropout.ipynb", "dropout.ja.ipynb")
SMOKE = FOLDER / "smoke.toml"


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / name, as_version=4)


def sources(name: str, kind: str) -> list[str]:
    return [cell.source for cell in notebook(name).cells if cell.cell_type == kind]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_committed_as_if_it_had_never_run(name):
    stored = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    nbformat.validate(stored)
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    numbers = range(1, len(stored["cells"]) + 1)
    assert [cell["id"] for cell in stored["cells"]] == [f"cell-{n:02}" for n in numbers]
    for cell in stored["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_both_have_the_same_code_and_the_same_cells_in_the_same_order():
    one, other = (notebook(name).cells for name in NAMES)
    assert [cell.cell_type for cell in one] == [cell.cell_type for cell in other]
    assert sources(NAMES[0], "code") == sources(NAMES[1], "code")


@pytest.mark.parametrize(
    "pattern",
    [r"^#+ ", r"\$\$.*?\$\$", r"^\|", r"^```.*?^```", r"^- ", r"`[\w/.:\[\]\"]+`"],
    ids=["headings", "equations", "rows of tables", "commands", "items", "names"],
)
def test_each_markdown_cell_has_in_both_languages(pattern):
    for one, other in zip(*(sources(name, "markdown") for name in NAMES), strict=True):
        found = [re.findall(pattern, text, re.MULTILINE | re.DOTALL) for text in (one, other)]
        assert sorted(found[0]) == sorted(found[1]), one


@pytest.mark.parametrize("suffix", ["", ".ja"])
def test_equations_and_layers_are_those_of_the_readme(suffix):
    readme = (ROOT / f"README{suffix}.md").read_text(encoding="utf-8")
    said = "\n".join(sources(f"dropout{suffix}.ipynb", "markdown"))
    for pattern in (r"\$\$.*?\$\$", r"^\| \w+.* \| \([\d, ]+\) \| [\d,]+ \|"):
        found = re.findall(pattern, said, re.MULTILINE)
        assert found == re.findall(pattern, readme, re.MULTILINE)
        assert found


def test_the_first_code_cell_installs_or_says_in_a_line_what_to_set(monkeypatch):
    first = sources(NAMES[0], "code")[0]
    assert "%pip install --quiet {REPOSITORY}" in first
    python = compile(TransformerManager().transform_cell(first), "first cell", "exec")
    exec(python, {})  # the package is there: nothing to do
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="REPOSITORY, received the placeholder OWNER") as raised:
        exec(python, {})
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom_and_shows_figures_and_verdict(tmp_path, monkeypatch):
    """In English only: the code of both is the same."""
    path = shutil.copy(FOLDER / NAMES[0], tmp_path)
    ran = run_notebook(Path(path), tmp_path, monkeypatch)
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output.data for output in outputs if "data" in output]
    pictures = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    assert len(pictures) == 6
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    markdown = [data["text/markdown"] for data in shown if "text/markdown" in data]
    assert [
        "It is not shown that dropout changes the generalization gap" in line for line in markdown
    ] == [
        True,
        False,
    ]
    assert "変わることは示されませんでした" in markdown[1]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "dropout-seed2: epoch 3/3 validation loss" in printed
    assert markdown[0].strip("*") in printed
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (study,) = client.search_runs(experiments, "tags.role = 'study'")
    assert study.info.status == "FINISHED"
    assert study.data.tags["study"] == read_study(SMOKE).key
    assert study.data.tags["verdict"] == markdown[0].strip("*")


def run_notebook(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> nbformat.NotebookNode:
    """Execute a notebook in `folder` with this interpreter, on the smoke study."""
    kernel = folder / "jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": launch, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter/runtime"))
    environment = clean_environment(
        FASHION_DROPOUT_NOTEBOOK_STUDY=str(SMOKE), IPYTHONDIR=str(folder / "ipython")
    )
    environment.pop("PYTEST_CURRENT_TEST", None)  # ipykernel would leave file descriptors alone
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    ran = client.execute(env=environment)
    nbformat.write(ran, path)
    return ran
