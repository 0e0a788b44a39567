"""`fashion-dropout promote` on finished studies of real data: without a champion, and with one.

The studies are quick.toml of fewer epochs, trained here: one, and again with two. Two floors of the
gate are lowered, which models of so few epochs do not reach.

    uv run python benchmarks/promotion.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUICK = Path(__file__).resolve().parents[1] / "experiments/dropout/quick.toml"
GATE = Path(__file__).resolve().parents[1] / "experiments/promotion.toml"


def run(folder: str, *arguments: str) -> tuple[float, str]:
    """Seconds, and what was printed."""
    dropped = ("MLFLOW_TRACKING_URI", "PYTHONDONTWRITEBYTECODE")
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fashion_dropout", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in dropped},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    return time.perf_counter() - began, done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder) / "gate.toml"  # so that a model of one epoch can be champion
        text = GATE.read_text(encoding="utf-8")
        for floor in ("accuracy = 0.90", "worst_class_recall = 0.60"):
            text = text.replace(floor, f"{floor.partition(' = ')[0]} = 0.10")
        gate.write_text(text, encoding="utf-8")
        for epochs in (1, 2):
            path = Path(folder) / f"{epochs}.toml"
            study_file = re.sub(r"epochs = \d+", f"epochs = {epochs}", QUICK.read_text("utf-8"))
            primary = "val/loss_over_equal_fit"  # which so few epochs do not have
            path.write_text(study_file.replace(primary, "gap/loss"), encoding="utf-8")
            _, said = run(folder, "compare", str(path))
            study = said.partition("study run ")[2].partition(";")[0]
            seconds, said = run(folder, "promote", study, "--policy", str(gate))
            print(f"{seconds:.1f} s: {said.splitlines()[-1]}")


if __name__ == "__main__":
    main()
