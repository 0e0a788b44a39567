"""Write the report of a published study beside its figures, for the site.

    MLFLOW_TRACKING_URI=<store of the study> uv run python .ci/published_report.py [FOLDER]

FOLDER is what ``fashion-dropout publish`` wrote, experiments/dropout/full by default; run it first.
The report is that of ``fashion-dropout report``; only its pictures are those that stand published
beside it, so that no picture is committed twice.
"""

from __future__ import annotations

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
        count = len(EMBEDDED.findall(text))
        if count != len(figures):
            raise SystemExit(
                f"expected the {len(figures)} pictures of {home}, received {count}; first run: "
                f"fashion-dropout publish {home.parent} --study {study}"
            )
        for figure in figures:
            text = EMBEDDED.sub(figure, text, count=1)
        (home / name).write_text(text, encoding="utf-8")
        print(f"{home / name}: {len(text.encode()) / 2**10:.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PUBLISHED)
