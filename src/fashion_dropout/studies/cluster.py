"""Running the cells of a study on a Dask cluster: a local one, or one that is already there."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, as_completed, get_worker

from fashion_dropout import environment
from fashion_dropout.config.cell import Cell
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.learning import dataset as data
from fashion_dropout.progress import CellProgress
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.secrets import without_password

_CONNECT_SECONDS = 10
_BEFORE_A_WORKER = "distributed.nanny.pre-spawn-environ"


@dataclass(frozen=True)
class Session:
    """What every worker must know about one call of ``compare``.

    Attributes:
        name: The tag ``study.session`` of its runs.
        tracking_uri: The store.
        experiment: The name of the experiment.
        data_dir: As for `learning.dataset.open_dataset`.
        dataset_sha256: The digest of the dataset, which a worker's must have, too.
        study_run_id: The study's own run.
        colours: Regime → its colour in MLflow's charts, ``#rrggbb``.
        fresh: Whether its runs begin anew, whatever was interrupted.
    """

    name: str
    tracking_uri: str
    experiment: str
    data_dir: Path | None
    dataset_sha256: str
    study_run_id: str
    colours: Mapping[str, str]
    fresh: bool

    @staticmethod
    def new_name() -> str:
        """A name that no other call of ``compare`` on this machine has."""
        return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"


@dataclass(frozen=True)
class CellResult:
    """How a cell ended: with a finished run, or with an error."""

    cell: Cell
    run_id: str = ""
    error: str = ""


@contextmanager
def remote_cluster(scheduler: str) -> Iterator[Client]:
    """A client of the cluster whose scheduler has this address.

    Raises:
        UsageError: The scheduler does not answer.
    """
    _quieten()
    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"expected a Dask scheduler at {scheduler}, received no answer within "
            f"{_CONNECT_SECONDS} s; start one with `dask scheduler`, or leave out --scheduler"
        ) from error
    with closing(client):
        yield client


@contextmanager
def local_cluster(workers: int) -> Iterator[Client]:
    """A client of a new cluster of `workers` processes on this machine."""
    _quieten()
    with (
        dask.config.set(_dasks_defaults()),
        dask.config.set({f"{_BEFORE_A_WORKER}.{name}": None for name in environment.NOT_OF_DASK}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # a free port; None would mean 8787
            memory_limit=None,
            silence_logs=logging.CRITICAL,
            env=environment.FOR_WORKERS,
        ) as local,
        # As the default it would have to be closed by the thread that has opened it.
        closing(Client(local, set_as_default=False)) as client,
    ):
        yield client


def _dasks_defaults() -> dict[str, Any]:
    """Dask's settings without those of the user, which are for a cluster: its TLS, its limits."""
    settings: dict[str, Any] = {}
    dask.config.refresh(settings, paths=[], env={})
    return settings


def run_cells(
    client: Client,
    cells: Sequence[Cell],
    session: Session,
    on_progress: Callable[[CellProgress], None],
) -> Iterator[CellResult]:
    """Run every cell once, each in any worker; a cell whose worker is killed is run again.

    Yields:
        The results in the order in which they come.
    """
    topic = f"fashion-dropout/{session.name}"

    def receive(event: tuple[float, Any]) -> None:
        sent = {name: event[1][name] for name in CellProgress.__dataclass_fields__}
        on_progress(CellProgress(**sent))  # Dask adds keys of its own

    client.subscribe_topic(topic, receive)
    futures = {
        client.submit(
            run_cell, cell, session, topic, key=f"{session.name}/{cell.name}", pure=False
        ): cell
        for cell in cells
    }
    try:
        for future in as_completed(futures, loop=client.loop):
            if future.status == "finished":
                yield future.result()
            else:
                yield CellResult(futures[future], error=_reason(future.exception()))
    finally:
        client.cancel(list(futures))
        client.unsubscribe_topic(topic)


def run_cell(cell: Cell, session: Session, topic: str) -> CellResult:
    """One cell in a worker; an error becomes a result, so that the other cells go on."""
    environment.settle()
    import mlflow

    from fashion_dropout.runs.request import RunRequest
    from fashion_dropout.runs.train import record_run
    from fashion_dropout.tracking.recording.launched import forget_launched_run
    from fashion_dropout.tracking.store.calls import one_line
    from fashion_dropout.tracking.store.connect import connect_to_existing

    forget_launched_run()  # `mlflow run` made it for the study, not for a cell
    mlflow.set_tracking_uri(session.tracking_uri)
    try:
        connect_to_existing()  # in the folder and on the machine of this worker
        request = RunRequest(
            cell.config,
            cell.regime,
            study_tags={
                tags.STUDY: cell.study,
                tags.STUDY_RUN_ID: session.study_run_id,
                tags.SESSION: session.name,
                tags.COLOUR: session.colours[cell.regime],
            },
            experiment=session.experiment,
            fresh=session.fresh,
        )
        dataset = _dataset(cell.config.dataset, session.data_dir, session.dataset_sha256)
        summary = record_run(request, dataset, _Reporter(cell, topic))
        return CellResult(cell, run_id=summary.run_id)
    except Exception as error:  # whatever it is, it is this cell's own
        return CellResult(cell, error=one_line(error))
    finally:
        if "keras" in sys.modules:
            sys.modules["keras"].backend.clear_session()
        gc.collect()


@lru_cache(maxsize=1)
def _dataset(name: str, data_dir: Path | None, sha256: str) -> data.Dataset:
    return data.open_dataset(name, data_dir, recorded=sha256)


class _Reporter:
    """A `Display` in a worker: sends every epoch to the process that runs the study."""

    def __init__(self, cell: Cell, topic: str) -> None:
        self.cell, self.topic = cell, topic

    def note(self, line: str) -> None:
        pass

    def batches(self, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        progress = CellProgress(self.cell.name, epoch, self.cell.config.epochs, dict(metrics))
        get_worker().log_event(self.topic, asdict(progress))


def _quieten() -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)


def _reason(error: BaseException | None) -> str:
    if type(error).__name__ == "KilledWorker":
        return "its worker was killed again and again"
    return f"{type(error).__name__}: {error}"


def check_reachable(tracking_uri: str, scheduler: str) -> None:
    """Refuse a scheduler that is silent, and a store in a file of this machine for others.

    Raises:
        UsageError: The scheduler does not answer.
        TrackingError: The workers could not write to the store.
    """
    with remote_cluster(scheduler):
        pass  # it answers
    local = ("tcp://127.", "tcp://localhost", "tcp://[::1]")
    if tracking_uri.startswith("sqlite:") and not scheduler.startswith(local):
        raise TrackingError(
            f"expected a tracking server that the workers of {scheduler} can reach, received "
            f"{without_password(tracking_uri)}; set MLFLOW_TRACKING_URI"
        )
