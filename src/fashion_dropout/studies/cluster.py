"""Running the cells of a study on a Dask cluster: a local one, or one that is already there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, as_completed, fire_and_forget
from distributed.client import FutureCancelledError

from fashion_dropout import environment
from fashion_dropout.config.cell import Cell
from fashion_dropout.errors import ClusterError
from fashion_dropout.progress import CellProgress, StudyDisplay
from fashion_dropout.studies.cell import CellResult, Session, run_cell
from fashion_dropout.studies.scheduler import quieten
from fashion_dropout.texts import Count
from fashion_dropout.tracking.store.timeouts import NoAnswerError, bounded

_ASK_SECONDS = 5
_BEFORE_A_WORKER = "distributed.nanny.pre-spawn-environ"
_NO_MORE = "another program, which was stopped, begins it no more"
_PROGRESS = tuple(CellProgress.__dataclass_fields__)


@contextmanager
def local_cluster(workers: int) -> Iterator[Client]:
    """A client of a new cluster of `workers` processes on this machine."""
    quieten()
    settings: dict[str, Any] = {}  # Dask's own: the user's are for a cluster, its TLS, its limits
    dask.config.refresh(settings, paths=[], env={})
    with (
        dask.config.set(settings),
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


def grow(client: Client, workers: int) -> None:
    """Let a cluster of this machine have so many processes, if it has fewer."""
    local: Any = client.cluster
    if workers > len(local.worker_spec):
        local.scale(workers)


def run_cells(
    client: Client, cells: Sequence[Cell], session: Session, display: StudyDisplay
) -> Iterator[CellResult]:
    """Run one cell or more once, each in any worker; a cell whose worker is killed is run again.

    On a cluster that is already there, cells that it runs for an earlier call are waited for, and
    all go on when this process ends.

    Yields:
        The results in the order in which they come.

    Raises:
        ClusterError: The scheduler was lost, and with it what it knew of the cells.
    """
    topic, warned = f"fashion-dropout/{session.scope(cells[0].study)}", set[str]()

    def receive(event: tuple[float, Any]) -> None:
        sent = event[1]  # Dask adds keys of its own
        if (warning := sent.get("warning")) is None:
            display.epoch(CellProgress(**{name: sent[name] for name in _PROGRESS}))
        elif warning not in warned:
            warned.add(warning)
            display.note(warning)

    client.subscribe_topic(topic, receive)
    keys = {session.key(cell) for cell in cells}
    if session.needs and (running := len(keys & _begun(client))):
        display.note(f"{Count(running):cell runs|cells run} on the cluster already: waited for")
    futures = {
        client.submit(run_cell, cell, session, topic, key=session.key(cell), pure=False): cell
        for cell in cells
    }
    if session.needs and not session.fresh:
        fire_and_forget(list(futures))
    try:
        for future in as_completed(futures, loop=client.loop):
            if future.status == "finished":
                yield future.result()
            elif _was_let_go(future):
                yield CellResult(futures[future], held=_NO_MORE)
            elif future.cancelled():
                raise ClusterError(
                    "expected the Dask scheduler to keep the cells of the study, received a lost "
                    "connection, a restart, or their end by somebody else; what has finished is "
                    "recorded, and the same command"
                    f"{', without --fresh,' if session.fresh else ''} goes on with what is missing"
                )
            else:
                yield CellResult(futures[future], error=_reason(future.exception()))
    finally:
        if session.needs is None:
            client.cancel(list(futures))
        client.unsubscribe_topic(topic)


def begin_no_more(client: Client, cells: Sequence[Cell], session: Session) -> None:
    """Let a cluster that is already there begin no further cell, not even one that a worker has
    been given; what it runs comes to its end, as a thread that trains cannot be stopped. Another
    program that runs the same study there takes the others up again.
    """
    try:
        running = bounded(lambda: client.run(_executed, on_error="ignore"), _ASK_SECONDS)
        begun = {str(key) for keys in running.values() for key in keys}
    except NoAnswerError:  # of a worker that hangs
        begun = _begun(client)
    waiting = [Future(key, client) for key in map(session.key, cells) if key not in begun]
    client.cancel(waiting, force=True, reason=_NO_MORE)


def _was_let_go(future: Future) -> bool:
    """Whether another program that runs the same study has let a cell go by `begin_no_more`."""
    try:
        return bool(future.cancelled() and future.result())
    except FutureCancelledError as error:
        # The client keeps the error, and with its frames the future: a cell that is given to it
        # again would be cancelled, too.
        error.__traceback__ = None
        return bool(error.reason == _NO_MORE)


async def _executed(dask_worker: Any = None) -> list[str]:
    """The keys of what a worker runs at this moment; Dask runs this in its event loop."""
    return [str(task.key) for task in dask_worker.state.executing]


def _begun(client: Client) -> set[str]:
    """The keys of what the workers of a cluster run or are about to."""
    return {str(key) for keys in client.processing().values() for key in keys}


def _reason(error: BaseException | None) -> str:
    if type(error).__name__ == "KilledWorker":
        return "its worker was killed again and again"
    return f"{type(error).__name__}: {error}"
