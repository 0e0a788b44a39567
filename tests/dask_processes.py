"""`dask scheduler` and `dask worker` as processes that work in folders of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conftest import clean_environment
from tracking_server import HOST, free_port


class Cluster:
    """A scheduler and its workers.

    Args:
        folder: Where they work, unless told otherwise; their output is kept there.
        protocol: ``tcp`` or ``tls``.
        environment: More variables for all of them.
    """

    def __init__(
        self, folder: Path, protocol: str = "tcp", environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.environment = folder, dict(environment or {})
        self.address = f"{protocol}://{HOST}:{free_port()}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, verb: str, *options: str, folder: Path | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        folder = folder or self.folder
        with (folder / f"dask-{verb}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{verb}", *options, "--no-dashboard"],
                cwd=folder,
                env=clean_environment(**self.environment, **environment),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        return self.start("scheduler", "--host", self.address)

    def worker(
        self, threads: int = 1, folder: Path | None = None, **environment: str
    ) -> subprocess.Popen[bytes]:
        options = (self.address, "--no-nanny", "--nthreads", str(threads))
        return self.start("worker", *options, folder=folder, **environment)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()


@contextmanager
def cluster(
    folder: Path, protocol: str = "tcp", environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    found = Cluster(folder, protocol, environment)
    try:
        yield found
    finally:
        for process in reversed(found.processes):
            found.kill(process)
