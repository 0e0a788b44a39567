"""Write the report of the published study beside its figures, for the site.

    MLFLOW_TRACKING_URI=<store of the study> uv run python .ci/published_report.py

Run it after ``fashion-dropout publish``. The report is that of ``fashion-dropout report``; only its
pictures are those that stand published beside it, so that no picture is committed twice.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "experiments/dropout/full"
REPORTS = {"en": "report.html", "ja": "report.ja.html"}
EMBEDDED = re.compile(r'(?<=src=")data:image/png;base64,([^"]*)')


def main() -> None:
    """Write both languages.

    Raises:
        SystemExit: A picture of the report is not published.
    """
    study = json.loads((FOLDER / "result.json").read_text(encoding="utf-8"))["run_id"]
    names = {path.read_bytes(): path.name for path in FOLDER.glob("*.png")}
    for language, name in REPORTS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            command = ["fashion-dropout", "report", study, "--lang", language, "--output", made]
            subprocess.run(command, check=True)
            text = made.read_text(encoding="utf-8")
        pictures = {found: base64.b64decode(found) for found in EMBEDDED.findall(text)}
        if not pictures or not set(pictures.values()) <= names.keys():
            raise SystemExit(
                f"expected that every picture of the report is in {FOLDER}, received another one; "
                f"first run: fashion-dropout publish {FOLDER.parent} --study {study}"
            )
        for code, picture in pictures.items():
            text = text.replace(f"data:image/png;base64,{code}", names[picture])
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{FOLDER / name}: {len(text.encode()) / 2**10:.0f} KiB")


if __name__ == "__main__":
    main()
