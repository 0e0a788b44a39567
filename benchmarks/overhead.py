"""What a study takes beside its training: `compare`, against two bare processes that only train.

The bare processes train side by side, before the study and after it, because the speed of the
machine drifts. What a cell takes beyond its epochs is known from what its run has recorded.

    uv run python benchmarks/overhead.py [experiments/dropout/quick.toml]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import mlflow
import psutil

from fashion_dropout.config.study import read_study
from fashion_dropout.environment import FOR_WORKERS
from fashion_dropout.learning.kernels import EVALUATION

QUICK = Path(__file__).resolve().parents[1] / "experiments/dropout/quick.toml"
IMAGES = 55_000  # of an epoch of the real data
BARE = """\
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import split_of
start_tensorflow(1)
from fashion_dropout.learning.model import build_classifier, build_network
from fashion_dropout.learning.training import Trainer
split = split_of(open_dataset("fashion-mnist"), 0)
config = TrainingConfig(epochs=3)
trainer = Trainer(build_classifier(build_network(config.dropout, 0)), *split, config)
print(*[record.images_per_second for record in trainer.epochs()])
"""


def environment() -> dict[str, str]:
    """That of this process without the stores of whoever runs this."""
    dropped = ("MLFLOW_", "FASHION_DROPOUT_STATE", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


def bare_speed() -> float:
    """Images a second of two processes together, each on one core, from the second epoch on."""
    command, own = [sys.executable, "-c", BARE], {**environment(), **FOR_WORKERS}
    begun = [
        subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate()[0].split() for process in begun]
    if any(process.returncode for process in begun):
        raise SystemExit("a bare process has failed")
    return sum(statistics.median(map(float, speeds[1:])) for speeds in said)


def whole_study(path: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds of `compare`, those after its last cell, and the highest memory of the program in MiB
    while its workers train.
    """
    command = [sys.executable, "-m", "fashion_dropout", "compare", str(path), "--workers", "2"]
    own = {**environment(), "FASHION_DROPOUT_STATE": str(folder / "state")}
    began = concluding = time.perf_counter()
    memory = 0.0
    with subprocess.Popen(
        command, cwd=folder, env=own, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        program = psutil.Process(process.pid)
        for line in process.stdout:
            if ": epoch " in line:
                memory = max(memory, program.memory_info().rss / 2**20)
            elif line.startswith("comparing the runs"):
                concluding = time.perf_counter()
    if process.returncode:
        raise SystemExit(f"compare has ended with {process.returncode}")
    ended = time.perf_counter()
    return ended - began, ended - concluding, memory


def beyond_epochs(folder: Path) -> float:
    """Seconds of a cell beyond training and evaluation, in the median."""
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client, found = mlflow.MlflowClient(), []
    for run in mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'run'", output_format="list"
    ):
        speeds = client.get_metric_history(run.info.run_id, "speed/images_per_second")
        epochs = sum(IMAGES * EVALUATION / speed.value for speed in speeds)
        found.append((run.info.end_time - run.info.start_time) / 1000 - epochs)
    return statistics.median(found)


@click.command()
@click.argument("study", type=click.Path(path_type=Path), default=QUICK)
def main(study: Path) -> None:
    cells = read_study(study).cells()
    images = sum(cell.config.epochs for cell in cells) * IMAGES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = bare_speed()
        took, concluding, memory = whole_study(study.resolve(), folder)
        alone = images / statistics.mean([before, bare_speed()])
        print(f"{len(cells)} runs on two workers: {took:.0f} s; training alone in two bare "
              f"processes: {alone:.0f} s; ratio {took / alone:.2f}")  # fmt: skip
        print(f"a cell beyond training and evaluation: {beyond_epochs(folder):.1f} s")
        print(f"concluding: {concluding:.1f} s")
    print(f"the program while its workers train: at most {memory:,.0f} MiB")


if __name__ == "__main__":
    main()
