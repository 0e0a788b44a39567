"""Write what the studies of experiments/variance found into that folder: page, figure and numbers.

    MLFLOW_TRACKING_URI=<store of the studies> uv run python .ci/published_variance.py

The pages are those of ``fashion-dropout variance``; only their figure stands beside them.
`curves.csv` has what the numbers are computed from; the accuracy on the test set is in the row of
the last epoch.
"""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

from fashion_dropout.studies.variance import read_variance
from fashion_dropout.tracking.reading.studies import named_study

FOLDER = Path(__file__).resolve().parents[1] / "experiments/variance"
STUDIES = [f"variance-{what}" for what in ("init", "order", "masks", "split", "all")]
PAGES = {"en": ("variance.html", "spread.png"), "ja": ("variance.ja.html", "spread.ja.png")}
EMBEDDED = re.compile(r'(?<=src=")data:image/png;base64,([^"]*)')


def main() -> None:
    """Write all files."""
    for language, (name, figure) in PAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            options = ("--lang", language, "--output", made)
            subprocess.run(["fashion-dropout", "variance", *STUDIES, *options], check=True)
            page = made.read_text(encoding="utf-8")
        (picture,) = EMBEDDED.findall(page)
        (FOLDER / figure).write_bytes(base64.b64decode(picture))
        (FOLDER / name).write_text(EMBEDDED.sub(figure, page), encoding="utf-8")
    curves().to_csv(FOLDER / "curves.csv", index=False)


def curves() -> pd.DataFrame:
    """A row for each study, regime, seed and epoch."""
    tables = []
    for study in read_variance([named_study(name, print) for name in STUDIES], print).studies:
        found = study.found
        tested = found.runs[["regime", "seed", "last_epoch", "test/accuracy"]].astype(
            {"last_epoch": int}
        )
        keys = ["regime", "seed", "epoch"]
        table = found.histories.merge(tested.rename(columns={"last_epoch": "epoch"}), "left", keys)
        tables.append(table.assign(study=found.key.rpartition("-")[0], vary=study.sources))
    return pd.concat(tables)[["study", "vary", *tables[0].columns[:-2]]]


if __name__ == "__main__":
    main()
