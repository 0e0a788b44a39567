"""Run the notebook as it is, and store what it shows in both languages.

    uv run python .ci/run_notebook.py

It takes some minutes: the study of the notebook is trained. Both languages have the same code, so
one run gives the outputs of both. Figures get 64 colours, and names of folders are taken out.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from unittest import mock

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "experiments/dropout"
NAMES = ("dropout.ipynb", "dropout.ja.ipynb")
SETTINGS = ("MLFLOW_", "FASHION_", "PYTHONDONTWRITEBYTECODE", "PYTEST_")


def execute(path: Path, folder: Path, environment: Mapping[str, str]) -> nbformat.NotebookNode:
    """Run a notebook in a folder, in that environment, with this interpreter."""
    kernel = folder / "jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": launch, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    found = {"JUPYTER_PATH": folder / "jupyter", "JUPYTER_RUNTIME_DIR": folder / "jupyter/runtime"}
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=3600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    with mock.patch.dict(os.environ, {name: str(place) for name, place in found.items()}):
        return client.execute(env={**environment, "IPYTHONDIR": str(folder / "ipython")})


def tidy(outputs: list[nbformat.NotebookNode], folder: Path) -> list[nbformat.NotebookNode]:
    """Outputs with lines of text together, small pictures, and no folder of this machine."""
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            output.text = re.sub(re.escape(str(folder)) + "/?", "", output.text)
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
                continue
        elif "image/png" in output.get("data", {}):
            output.data["image/png"] = _small(output.data["image/png"])
        kept.append(output)
    return kept


def _small(png: str) -> str:
    """A picture in 64 colours, which is a quarter of its size, as base64."""
    with Image.open(BytesIO(base64.b64decode(png))) as picture:
        palette = picture.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE, 2)
    buffer = BytesIO()
    palette.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def main() -> None:
    """Run the English notebook, and write both."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(SETTINGS)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        ran = execute(FOLDER / NAMES[0], folder, {**kept, "FASHION_DROPOUT_STATE": str(folder)})
        outputs = {
            cell.id: (cell.execution_count, tidy(cell.outputs, folder))
            for cell in ran.cells
            if cell.cell_type == "code"
        }
    for path in (FOLDER / name for name in NAMES):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.execution_count, cell.outputs = outputs[cell.id]
        text = nbformat.writes(notebook)
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
