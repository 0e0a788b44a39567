"""The workers of a study, which begin as soon as it is certain that they are needed.

A worker's imports take longer than all that the program itself does before the first cell. Where
the store is new, every cell is missing, so the workers of this machine import TensorFlow while the
store is set up. Where it is not, they begin when it has said which cells are missing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module

import distributed
from distributed import Client

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.kernels import KernelChoice
from fashion_dropout.learning.runtime import DeviceChoice, start_tensorflow
from fashion_dropout.studies import cluster
from fashion_dropout.studies.scheduler import Scheduler, connected

_CONCLUDING = "fashion_dropout.studies.conclude"


@dataclass
class Workers:
    """Where the cells of a study run: a cluster that begins once, and ends when it is closed.

    Attributes:
        count: The most processes of a cluster on this machine.
        scheduler: That of another cluster; None for this machine.
    """

    count: int
    scheduler: Scheduler | None

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._client: Future[Client] | None = None

    def begin(self, count: int, config: TrainingConfig) -> None:
        """Begin a cluster of this machine beside this thread, if there is none, and let it import.

        At first there are `count` cells for it; one of them says with what TensorFlow starts.
        """
        if self.scheduler is not None or self._client is not None:
            return
        found: Future[Client] = Future()

        def begin() -> None:
            try:
                local = cluster.local_cluster(min(self.count, count))
                client = self._stack.enter_context(local)
                self._starting = _start_workers(client, config)
                found.set_result(client)
            except BaseException as error:  # for whoever waits for it
                found.set_exception(error)

        threading.Thread(target=begin, name="cluster").start()
        self._client = found

    def client(self, count: int) -> Client:
        """A client of the cluster, which begins now if there is none.

        Raises:
            ClusterError: The scheduler does not answer.
        """
        if self._client is None:
            context = (
                cluster.local_cluster(min(self.count, count))
                if self.scheduler is None
                else connected(self.scheduler)
            )
            found: Future[Client] = Future()
            found.set_result(self._stack.enter_context(context))
            self._client = found
        # What concludes a study is imported while its workers train.
        threading.Thread(target=import_module, args=[_CONCLUDING], daemon=True).start()
        client = self._client.result()
        if self.scheduler is None:  # a later look may have more cells than the first one
            cluster.grow(client, min(self.count, count))
        return client

    def close(self) -> None:
        """End the processes of this machine, and leave another cluster as it is."""
        if self._client is not None:
            wait([self._client])
        self._stack.close()


@contextmanager
def ending(workers: Workers) -> Iterator[None]:
    """While this is open, workers that have nothing to do any more end beside it."""

    def close() -> None:
        with suppress(Exception):  # they have nothing to do and end anyway
            workers.close()

    thread = threading.Thread(target=close)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _start_workers(client: Client, config: TrainingConfig) -> list[distributed.Future]:
    """Let every worker of a local cluster import what a cell needs, before it is given one. What is
    returned must be kept until then: Dask drops what nobody waits for.
    """
    settings = (config.threads, config.kernels, config.device)
    addresses = client.scheduler_info(n_workers=-1)["workers"]
    return [
        client.submit(_start, *settings, workers=[address], pure=False) for address in addresses
    ]


def _start(threads: int, kernels: KernelChoice, device: DeviceChoice) -> None:
    """Start TensorFlow and import what trains; what is wrong is said by the first cell."""
    with suppress(Exception):
        start_tensorflow(threads, kernels, device)
        import_module("fashion_dropout.runs.steps")
