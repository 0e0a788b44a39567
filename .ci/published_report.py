"""Write the report of a published study beside its figures, for the site.

    MLFLOW_TRACKING_URI=<store of the study> uv run python .ci/published_report.py [FOLDER]

FOLDER is what ``fashion-dropout publish`` wrote, experiments/dropout/full by default; run it first.
The report is that of ``fashion-dropout report``; only its pictures stand beside it. Those of the
English one are the published ones, so that no picture is committed twice; those of another language
are written as ``study_curves.ja.png``, or as SVG where the report has that.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PUBLISHED = Path(__file__).resolve().parents[1] / "experiments/dropout/full"
REPORTS = {"en": "report.html", "ja": "report.ja.html"}
EMBEDDED = re.compile(r'(?<=src=")data:image/[^"]*')


def main(home: Path) -> None:
    """Write both languages.

    Args:
        home: The folder of the published study.

    Raises:
        SystemExit: The report has other pictures than are published.
    """
    result = json.loads((home / "result.json").read_text(encoding="utf-8"))
    study, figures = result["run_id"], list(result["figures"])
    for language, name in REPORTS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            command = ["fashion-dropout", "report", study, "--lang", language, "--output", made]
            subprocess.run(command, check=True)
            text = made.read_text(encoding="utf-8")
        pictures = EMBEDDED.findall(text)
        if len(pictures) != len(figures):
            raise SystemExit(
                f"expected the {len(figures)} pictures of {home}, received {len(pictures)}; first "
                f"run: fashion-dropout publish {home.parent} --study {study}"
            )
        names = figures if language == "en" else _kept(home, language, figures, pictures)
        for picture in names:
            text = EMBEDDED.sub(picture, text, count=1)
        (home / name).write_text(text, encoding="utf-8")
        print(f"{home / name}: {len(text.encode()) / 2**10:.0f} KiB")


def _kept(home: Path, language: str, figures: list[str], pictures: list[str]) -> list[str]:
    """The names under which pictures of a language, ``data:`` URIs, are kept beside the report."""
    for kind in ("png", "svg"):
        for old in home.glob(f"*.{language}.{kind}"):
            old.unlink()
    names = []
    for figure, picture in zip(figures, pictures, strict=True):
        kind, _, content = picture.partition(";base64,")
        end = "svg" if kind.endswith("svg+xml") else "png"
        names.append(f"{Path(figure).stem}.{language}.{end}")
        (home / names[-1]).write_bytes(base64.b64decode(content))
    return names


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PUBLISHED)
