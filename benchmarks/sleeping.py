"""What a study of very many cells asks of scheduler, store and server: cells that sleep, and record
what real ones do.

    uv run python benchmarks/sleeping.py [--cells 10000] [--threads 200] [--store postgresql]
                                         [--server] [--silent]

Each thread of one process is a worker. A cell is `studies.cell.run_cell` with all that it records;
only the three steps of `runs.steps`, for which it needs TensorFlow, sleep and leave files of the
usual sizes. `--silent` leaves out the recording: then only Dask and this program are measured. The
first cell is run alone and not measured: it does what a worker does once.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import mlflow
from distributed import Client, LocalCluster

import fashion_dropout.runs
from fashion_dropout import environment
from fashion_dropout.config.study import read_study
from fashion_dropout.learning.dataset import Synthetic, open_dataset
from fashion_dropout.learning.epoch_record import EpochRecord
from fashion_dropout.learning.kernels import Kernels
from fashion_dropout.progress import CellProgress
from fashion_dropout.runs import train
from fashion_dropout.studies import cluster
from fashion_dropout.studies.cell import CellResult, Session, run_cell
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from postgresql import postgresql
from study_text import study_text
from tracking_server import connections_of_deploy, tracking_server

EPOCHS = 10
ARTIFACTS = {  # file of a run → its size in KiB
    "curves.png": 95, "confusion_matrix.png": 88, "misclassified.png": 144, "history.csv": 2,
    "per_class.csv": 1, "predictions.npz": 567, "model_summary.txt": 5,
}  # fmt: skip
MODEL = {"MLmodel": 3, "conda.yaml": 1, "python_env.yaml": 1, "requirements.txt": 1,
         "input_example.json": 10, "serving_input_example.json": 10, "classes.json": 1,
         "environment.json": 1, "SHA256SUMS": 1, "data/model.keras": 900,
         "data/keras_module.txt": 1, "code/fashion_dropout_served.py": 8,
         "code/fashion_dropout_environment.py": 8}  # fmt: skip


class Display:
    """Shows nothing of a study."""

    def note(self, line: str) -> None:
        print(line, flush=True)

    def begin(self, study: str, cells: int, all_cells: int) -> None: ...

    def epoch(self, progress: CellProgress) -> None: ...

    def ended(self, cell: str, error: str) -> None: ...


def sleeping_steps(seconds: float) -> ModuleType:
    """In the place of `runs.steps`: sleeps for so long in all, and records as many things."""

    def fit(config: Any, split: Any, run: Any, display: Any, *_: Any) -> SimpleNamespace:
        run.set_tags(dict.fromkeys((*tags.SAME_PAIR, *tags.SOURCES.values()), "0" * 64))
        records = []
        for epoch in range(1, config.epochs + 1):
            time.sleep(seconds / config.epochs)
            records.append(EpochRecord(epoch, 1 / epoch, 0.9, 0.3, 0.9, 0.001, 5_000))
            run.log_metrics(records[-1].metrics(), step=epoch)
            display.epoch(epoch, records[-1].metrics())
        run.set_tags({tags.WEIGHTS_SHA256: "0" * 64})
        return SimpleNamespace(
            records=tuple(records), best=records[-1], selected=records[-1], val_rebound=0.0
        )

    def store(fitted: Any, config: Any, dataset: Any, split: Any, run: Any) -> None:
        with run.model(step=fitted.selected.epoch, params=config.model_dump(), tags={}) as folder:
            write(folder, MODEL)
            mlflow.models.Model().save(str(folder / "MLmodel"))

    def evaluate(*_: Any) -> SimpleNamespace:
        return SimpleNamespace(
            test_metrics=lambda: dict.fromkeys(
                [f"test/{name}" for name in ("accuracy", "nll", "ece", "f1_macro")]
                + [f"test/{kind}/{of}" for kind in ("f1", "recall") for of in range(10)],
                0.9,
            ),
            write=lambda folder: write(folder, ARTIFACTS),
        )

    module = ModuleType("fashion_dropout.runs.steps")
    module.__dict__.update(fit=fit, store=store, evaluate=evaluate)
    return module


def write(folder: Path, files: Mapping[str, int]) -> list[str]:
    for name, size in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(1024 * size))
    return []


@contextmanager
def threads(count: int) -> Iterator[Client]:
    """A cluster whose workers are threads of this process."""
    cluster.quieten()
    with (
        LocalCluster(n_workers=1, threads_per_worker=count, processes=False,
                     dashboard_address=None) as local,
        Client(local, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


def requests(log: Path) -> tuple[int, int]:
    """How many requests a server has answered, and how many of them brought a file."""
    answered = re.findall(rb'"(\S+ \S*) HTTP\S*" \d{3} ', log.read_bytes()) if log.exists() else []
    return len(answered), sum(b"/mlflow-artifacts/" in request for request in answered)


@click.command()
@click.option("--cells", default=1_000, show_default=True)
@click.option("--threads", "workers", default=50, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="How long a cell sleeps.")
@click.option("--store", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
@click.option("--server", is_flag=True, help="Record through a tracking server on that store.")
@click.option("--silent", is_flag=True, help="Record nothing.")
def main(cells: int, workers: int, seconds: float, store: str, server: bool, silent: bool) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        os.chdir(folder := Path(name))
        os.environ["FASHION_DROPOUT_STATE"] = str(folder / "state")
        uri, log = f"sqlite:///{folder / 'mlflow.db'}", folder / "server.log"
        if store == "postgresql":
            uri = stack.enter_context(postgresql()).uri
        if server:
            uri = stack.enter_context(
                tracking_server(folder, store=uri, log=log, **connections_of_deploy())
            )
        environment.settle()
        mlflow.set_tracking_uri(uri)
        connect()
        (folder / "many.toml").write_text(study_text("many", range(cells // 2), {"epochs": EPOCHS}))
        study = read_study(folder / "many.toml")
        sleep(seconds, silent)
        session = Session(
            name=Session.new_name(), tracking_uri=uri, experiment="fashion-mnist-dropout",
            data_dir=None, dataset_sha256=open_dataset("synthetic").sha256,
            study_run_id="none", colours=dict.fromkeys(study.regimes, "#000000"), fresh=False,
        )  # fmt: skip
        client = stack.enter_context(threads(workers))
        first, *others = study.cells()
        list(cluster.run_cells(client, [first], session, Display()))
        gc.freeze()  # as a worker does when it has imported TensorFlow: each cell collects
        asked, began = requests(log), time.perf_counter()
        results = list(cluster.run_cells(client, others, session, Display()))
        took = time.perf_counter() - began
        missing = [result.error or result.held for result in results if not result.run_id]
        ideal = seconds * -(-len(results) // workers)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        what = "nothing recorded" if silent else f"{store}{' behind a server' * server}"
        print(
            f"{len(results):,} cells of {seconds:g} s on {workers} threads, {what}: {took:.1f} s, "
            f"{took / ideal:.2f} of the ideal {ideal:.0f} s; {len(results) / took:.1f} cells/s; "
            f"peak memory of scheduler and workers {memory:,.0f} MiB"
        )
        if server and not silent:
            total, files = (now - then for now, then in zip(requests(log), asked, strict=True))
            print(
                f"{total / len(results):.1f} requests a cell, {files / len(results):.1f} of them "
                f"files; {total / took:.0f} a second"
            )
        if missing:
            raise SystemExit(f"{len(missing)} cells without a run, the first one: {missing[0]}")


def sleep(seconds: float, silent: bool) -> None:
    """Let the cells of this process sleep instead of train."""

    def silently(cell: Any, *_: Any) -> CellResult:
        time.sleep(seconds)
        return CellResult(cell, run_id="none")

    test = open_dataset("synthetic").test()  # made by all threads at once, it would be the peak
    Synthetic.test = lambda _: test  # type: ignore[method-assign]
    cluster.run_cell = silently if silent else run_cell  # type: ignore[assignment]
    steps = sleeping_steps(seconds)
    sys.modules[steps.__name__] = fashion_dropout.runs.steps = steps  # type: ignore[attr-defined]
    train.start_tensorflow = lambda *_: Kernels(True, "none", "cpu")  # type: ignore[assignment]
    train._foreseen_to_be_finished = lambda *_: None  # type: ignore[assignment]


if __name__ == "__main__":
    main()
