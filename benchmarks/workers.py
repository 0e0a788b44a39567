"""What a second worker gains on a study of real data, and when one that joins later has its first
cell.

    uv run python benchmarks/workers.py [--seeds 4] [--epochs 4]

The same study is run with one worker and with two, from the command to its end. Then a study of
short cells is run on a cluster of one worker, and a second one is started in the middle of it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import mlflow

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from conftest import clean_environment
from dask_processes import cluster
from fashion_dropout.tracking.recording.processes import PID
from study_text import study_text

COMPARE = [sys.executable, "-m", "fashion_dropout", "compare", "study.toml"]


def in_folder(folder: Path, text: str) -> dict[str, str]:
    """The environment of a study whose file and records are in a folder of its own."""
    folder.mkdir()
    (folder / "study.toml").write_text(text, encoding="utf-8")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    return clean_environment(MLFLOW_TRACKING_URI=store, FASHION_DROPOUT_STATE=str(folder / "state"))


def seconds(folder: Path, text: str, workers: int) -> float:
    """From the command to its end."""
    environment = in_folder(folder, text)
    began = time.perf_counter()
    subprocess.run(
        [*COMPARE, "--workers", str(workers)],
        cwd=folder, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - began


def joining(folder: Path) -> tuple[float, float]:
    """Seconds from the start of a worker until its first cell has begun, and has finished."""
    text = study_text("joined", range(20), {"epochs": 2})
    environment = in_folder(folder, text)
    store = {"MLFLOW_TRACKING_URI": environment["MLFLOW_TRACKING_URI"]}
    with cluster(folder, environment=store) as dask:
        dask.scheduler()
        dask.worker(FASHION_DROPOUT_STATE=str(folder / "state"))
        with subprocess.Popen(
            [*COMPARE, "--scheduler", dask.address],
            cwd=folder, env=environment, stdout=subprocess.PIPE, text=True,
        ) as study:  # fmt: skip
            assert study.stdout is not None
            for line in study.stdout:
                if "finished; 1/" in line:
                    break
            began = time.time()
            joined = dask.worker(FASHION_DROPOUT_STATE=str(folder / "state"))
            study.communicate()
            assert study.returncode == 0
    mlflow.set_tracking_uri(store["MLFLOW_TRACKING_URI"])
    first = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.`{PID}` = '{joined.pid}'",
        order_by=["attributes.start_time"],
        output_format="list",
    )[0].info
    return first.start_time / 1000 - began, first.end_time / 1000 - began


@click.command()
@click.option("--seeds", default=4, show_default=True)
@click.option("--epochs", default=4, show_default=True)
def main(seeds: int, epochs: int) -> None:
    text = study_text("workers", range(seeds), {"epochs": epochs}, dataset="fashion-mnist")
    with tempfile.TemporaryDirectory() as name:
        one, two = (seconds(Path(name) / str(count), text, count) for count in (1, 2))
        print(
            f"{2 * seeds} cells of {epochs} epochs: {one:.0f} s with one worker, {two:.0f} s with "
            f"two, {one / two:.2f} ×"
        )
        begun, finished = joining(Path(name) / "joined")
        print(
            f"a worker that joins has begun its first cell after {begun:.1f} s, and finished it "
            f"after {finished:.1f} s"
        )


if __name__ == "__main__":
    main()
