"""The notebook in both languages: one notebook in two, and it runs from top to bottom."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import mlflow
import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image

from conftest import ROOT, clean_environment, script
from fashion_dropout.config.study import read_study

FOLDER = ROOT / "experiments/dropout"
NAMES = ("dropout.ipynb", "dropout.ja.ipynb")
SMOKE = FOLDER / "smoke.toml"


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / name, as_version=4)


def sources(name: str, kind: str) -> list[str]:
    return [cell.source for cell in notebook(name).cells if cell.cell_type == kind]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_tidy(name):
    stored = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    nbformat.validate(stored)
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    numbers = range(1, len(stored["cells"]) + 1)
    assert [cell["id"] for cell in stored["cells"]] == [f"cell-{n:02}" for n in numbers]
    for cell in stored["cells"]:
        assert cell["metadata"] == {}


@pytest.mark.parametrize("name", NAMES)
def test_it_shows_what_a_run_from_top_to_bottom_showed(name):
    code = [cell for cell in notebook(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert all(cell.outputs for cell in code[1:])  # the first one found the package installed
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 6
    (study,) = re.findall(r"'study': '(\S+)'", json.dumps(outputs))
    declared = next(cell.source for cell in code if "parse_study(declared)" in cell.source)
    known: dict[str, Any] = {}
    exec(declared, known)
    assert study == known["study"].key, "run .ci/run_notebook.py"


@pytest.mark.parametrize("name", NAMES)
def test_its_outputs_are_small_and_say_nothing_of_the_machine(name):
    assert (FOLDER / name).stat().st_size < 450_000
    for cell in notebook(name).cells:
        for output in cell.get("outputs", []):
            shown = {**output.get("data", {}), "stream": output.get("text", "")}
            texts = [text for kind, text in shown.items() if kind != "image/png"]
            for text in texts:
                assert not re.search(
                    r"/(?:home|root|tmp|Users|content|usr|var|opt|mnt)/", str(text)
                )


def test_both_show_the_same_run():
    one, other = (notebook(name).cells for name in NAMES)
    assert [cell.get("outputs") for cell in one] == [cell.get("outputs") for cell in other]


def test_the_address_of_the_repository_stands_in_one_place():
    address = script("address")
    for page in address.PAGES:
        written = page.read_text(encoding="utf-8")
        assert address.filled(written, address.address()) == written, "run .ci/address.py"
        other = address.filled(written, "https://github.com/somebody/a.repository")
        assert other.count("somebody/a.repository") == (3 if page.suffix == ".md" else 2)
        assert address.address() not in other


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


def test_the_first_code_cell_takes_a_clone_a_zip_or_the_address_or_says_what_to_do(
    monkeypatch, tmp_path
):
    asked: list[str] = []

    def run(address: str = "https://github.com/OWNER/name") -> str:
        first = script("address").filled(sources(NAMES[0], "code")[0], address)
        python = TransformerManager().transform_cell(first)
        magic = SimpleNamespace(run_line_magic=lambda name, line: asked.append(f"{name} {line}"))
        known: dict[str, Any] = {"get_ipython": lambda: magic}
        exec(compile(python, "first cell", "exec"), known)
        return str(known.get("source"))

    assert run() == "None"  # the package is there: nothing to do
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(FOLDER)
    assert run() == str(ROOT)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="Upload the repository's ZIP") as ended:
        run()
    assert "\n" not in str(ended.value)
    assert run("https://github.com/me/name") == "git+https://github.com/me/name"
    (tmp_path / "fashion-mnist-dropout-main.zip").touch()
    assert run() == str(tmp_path / "fashion-mnist-dropout-main.zip")
    assert len(asked) == 3
    assert all(line.startswith("pip install --quiet") for line in asked)


def test_outputs_are_stored_small_and_without_the_folder_they_were_made_in(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    png = BytesIO()
    Image.fromarray(noise).save(png, "PNG")
    data = {"image/png": base64.b64encode(png.getvalue()).decode()}
    lines = [f"wrote {tmp_path}/report.html\n", "done\n"]
    outputs = [nbformat.v4.new_output("stream", text=line) for line in lines]
    outputs.append(nbformat.v4.new_output("display_data", data=data))
    stream, picture = script("run_notebook").tidy(outputs, tmp_path)
    assert stream.text == "wrote report.html\ndone\n"
    stored = base64.b64decode(picture.data["image/png"])
    assert len(stored) < len(png.getvalue()) / 2
    with Image.open(BytesIO(stored)) as small:
        assert len(small.getcolors() or ()) <= 64


@pytest.mark.long
@pytest.mark.slow
def test_it_runs_from_top_to_bottom_and_shows_figures_and_verdict(tmp_path):
    """In English only: the code of both is the same."""
    environment = clean_environment(FASHION_DROPOUT_NOTEBOOK_STUDY=str(SMOKE))
    environment.pop("PYTEST_CURRENT_TEST", None)  # ipykernel would leave file descriptors alone
    ran = script("run_notebook").execute(FOLDER / NAMES[0], tmp_path, environment)
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output.data for output in outputs if "data" in output]
    pictures = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    assert len(pictures) == 6
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    markdown = [data["text/markdown"] for data in shown if "text/markdown" in data]
    assert [
        "It is not shown that dropout changes the validation loss" in line for line in markdown
    ] == [
        True,
        False,
    ]
    assert "差があるとは言えませんでした" in markdown[1]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "dropout-seed2: epoch 3/3 validation loss" in printed
    assert f"\nverdict: {markdown[0].strip('*')}" in printed
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (study,) = client.search_runs(experiments, "tags.role = 'study'")
    assert study.info.status == "FINISHED"
    assert study.data.tags["study"] == read_study(SMOKE).key
    assert study.data.tags["verdict"] == markdown[0].strip("*")


@pytest.mark.parametrize(
    ("name", "words"),
    list(zip(NAMES, ("by less than matters", "意味のある差より小さい"), strict=True)),
)
def test_the_verdicts_are_in_the_order_in_which_the_program_asks(name, words):
    """Where it is by less than matters, a difference is shown, too; so this comes first."""
    (said,) = (text for text in sources(name, "markdown") if re.search(r"p ≤ alpha", text))
    _heading, _line, first, *_ = re.findall(r"^\|.*", said, re.MULTILINE)
    assert words in first


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (NAMES[0], ("switches off random activations", "28×28 grey", "(one training)")),
        (NAMES[1], ("活性値をゼロにする", "28×28 のグレースケール", "（1回の訓練）")),
    ],
)
def test_the_introduction_says_what_it_speaks_of(name, words):
    first = sources(name, "markdown")[0]
    assert all(said in first for said in words)


@pytest.mark.parametrize("name", NAMES)
def test_the_time_that_is_told_is_not_called_that_of_a_longer_run_below(name):
    """The seconds of each epoch, by its images a second: cells run two at a time."""
    (output,) = (
        output.text
        for cell in notebook(name).cells
        for output in cell.get("outputs", [])
        if "images/s" in output.get("text", "")
    )
    speeds = [float(speed.replace(",", "")) for speed in re.findall(r"([\d,]+) images/s", output)]
    seconds = sum(55_000 / speed for speed in speeds) / 2
    (told,) = (text for text in sources(name, "markdown") if "bench: study/notebook/time" in text)
    minutes, rest = re.findall(r"(\d+) (?:min|分) (\d+) (?:s|秒)", told)[0]
    slower = seconds > 1.3 * (60 * int(minutes) + int(rest))
    assert slower == any(words in told for words in ("twice as long", "2倍より長く"))
