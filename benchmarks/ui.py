"""`fashion-dropout ui`: from the command to a page that answers, and the memory of its processes.

uv run python benchmarks/ui.py
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import mlflow
import psutil

from fashion_dropout.config.study import read_study

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from recorded import record_study

STUDY = Path(__file__).resolve().parents[1] / "experiments/dropout/full.toml"
PORT = 5917


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        record_study(read_study(STUDY))
        for number in range(3):
            began = time.perf_counter()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "fashion_dropout",
                    "ui",
                    "--no-browser",
                    "--port",
                    str(PORT),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            for line in process.stdout:
                if "Ctrl-C" in line:
                    break
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/") as page:
                page.read()
            seconds = time.perf_counter() - began
            family = [psutil.Process(process.pid)]
            family += family[0].children(recursive=True)
            memory = [one.memory_info().rss / 2**20 for one in family]
            process.send_signal(signal.SIGINT)
            process.wait()
            print(
                f"start {number + 1}: {seconds:.1f} s, {sum(memory):,.0f} MiB in {len(family)} "
                f"processes ({', '.join(f'{one:,.0f}' for one in memory)})"
            )


if __name__ == "__main__":
    main()
