"""The memory of a worker from cell to cell: does it grow?

Runs cells of the real data, one epoch each, in one worker; prints its memory after each.

    uv run python benchmarks/worker_memory.py [--cells 20]
"""

from __future__ import annotations

import os
import tempfile

import click
import mlflow
import psutil

from fashion_dropout.colours import of_regimes
from fashion_dropout.config.cell import Cell
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.archives import dataset_sha256
from fashion_dropout.studies.cell import Session, run_cell
from fashion_dropout.studies.cluster import local_cluster
from fashion_dropout.tracking.store.connect import connect


@click.command()
@click.option("--cells", default=20, show_default=True)
def main(cells: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        connect()
        session = Session(
            name="memory",
            tracking_uri=mlflow.get_tracking_uri(),
            experiment="memory",
            data_dir=None,
            dataset_sha256=dataset_sha256(),
            study_run_id="none",
            fresh=True,
            colours=of_regimes(["none", "dropout"]),
        )
        with local_cluster(1) as client:
            (worker,) = client.run(os.getpid).values()
            process = psutil.Process(worker)
            for number in range(1, cells + 1):
                regime, rate = (("none", 0.0), ("dropout", 0.5))[number % 2]
                cell = Cell("memory", regime, TrainingConfig(dropout=rate, seed=number, epochs=1))
                result = client.submit(run_cell, cell, session, "memory", pure=False).result()
                assert not result.error, result.error
                print(f"after cell {number:2}: {process.memory_info().rss / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
