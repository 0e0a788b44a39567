"""What `kernels=fast` gives and what it costs, on a CPU with AMX.

Each seed is trained twice on the real data, everything but the kernels the same: at once, each on a
core of its own, the cores in turn. The runs are recorded in MLflow, and their table is judged as a
study with the kernels as its regimes.

    uv run python benchmarks/fast_kernels.py [--seeds 6] [--epochs 20] [--folder FOLDER]

With --folder the runs are kept there, and the same command goes on with what is missing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import click
import mlflow

FIRST_SEED = 300
KERNELS = ("native", "fast")
EXPERIMENT = "kernels"
JUDGE = (
    *("--regime-column", "params.kernels", "--baseline", "native"),
    *("--metric", "val/loss", "--smallest-difference", "0.01", "--guard", "val/accuracy=0.002"),
    *("--secondary", "test/accuracy", "--secondary", "test/nll", "--secondary", "train/loss"),
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "fashion_dropout", *arguments]


def start(kernels: str, core: int, seed: int, epochs: int, folder: Path) -> subprocess.Popen[bytes]:
    """Begin a run on one core."""
    options = (
        *("--experiment-name", EXPERIMENT, "--seed", str(seed), "--epochs", str(epochs)),
        *("--select", "last", "--kernels", kernels),
    )
    bound = ("taskset", "--cpu-list", str(core))
    return subprocess.Popen(
        [*bound, *command("train", *options)], cwd=folder, stdout=subprocess.DEVNULL
    )


def train(seeds: int, epochs: int, folder: Path) -> None:
    """Train every seed with both kernels."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        cores.reverse()
        running = [
            start(kernels, core, seed, epochs, folder)
            for kernels, core in zip(KERNELS, cores, strict=True)
        ]
        failed = [process.wait() != 0 for process in running]
        if any(failed):
            raise SystemExit("a run has failed")


def speeds(folder: Path) -> list[float]:
    """Of each seed, the training images a second with fast kernels ÷ those with native ones."""
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found: dict[str, dict[str, float]] = {}
    for run in client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'"):
        history = client.get_metric_history(run.info.run_id, "speed/images_per_second")
        middle = statistics.median(point.value for point in history[1:])
        found.setdefault(run.data.params["seed"], {})[run.data.params["kernels"]] = middle
    for name in KERNELS:
        middles = [of[name] for of in found.values()]
        print(f"{name}: {statistics.median(middles):,.0f} images/s a core "
              f"({min(middles):,.0f} to {max(middles):,.0f})")  # fmt: skip
    return [of["fast"] / of["native"] for of in found.values()]


@click.command()
@click.option("--seeds", default=6, show_default=True)
@click.option("--epochs", type=click.IntRange(min=2), default=20, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False, resolve_path=True))
def main(seeds: int, epochs: int, folder: Path | None) -> None:
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.mkdir(parents=True, exist_ok=True)
        uri = os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place / 'mlflow.db'}"
        train(seeds, epochs, place)
        ratios = speeds(place)
        print(f"fast ÷ native: {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f})\n", flush=True)  # fmt: skip
        experiment = mlflow.MlflowClient(uri).get_experiment_by_name(EXPERIMENT)
        table = place / "runs.csv"
        subprocess.run(
            [sys.executable, "-m", "mlflow", "experiments", "csv",
             "--experiment-id", experiment.experiment_id, "--filename", table],
            check=True,
        )  # fmt: skip
        subprocess.run(command("judge", str(table), *JUDGE), check=True)


if __name__ == "__main__":
    main()
