"""A Dask scheduler that is already there: its address, and whether it and its workers will do."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Security
from distributed.core import rpc
from distributed.versions import VersionMismatchWarning, get_versions

from fashion_dropout.errors import ClusterError, UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.sameness import changes
from fashion_dropout.studies import fitness
from fashion_dropout.studies.fitness import DASK, Fitness, Needs
from fashion_dropout.texts import Count
from fashion_dropout.tracking.store.calls import one_line
from fashion_dropout.tracking.store.timeouts import NoAnswerError, bounded

_ADDRESS = re.compile(r"(?:tcp|tls)://(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}", re.ASCII)
_CONNECT_SECONDS = 10
_ASK_SECONDS = 600  # the data may have to be downloaded
_PAUSE_SECONDS = 0.2
_TLS = "DASK_DISTRIBUTED__COMM__TLS__"
_START = "start one with `dask scheduler`, or leave out --scheduler"
_CERTIFICATES = (
    "if it runs, check the files of the certificates, and their dates with `openssl x509 -enddate "
    "-noout -in FILE`"
)


@dataclass(frozen=True)
class Scheduler:
    """Where a scheduler is, ``tcp://host:port`` or ``tls://host:port``, and for how many seconds
    its first worker is waited for.
    """

    address: str
    wait_seconds: int = 30

    @staticmethod
    def named(address: str, wait_seconds: int = 30) -> Scheduler:
        """The scheduler at an address as a user writes it, such as ``localhost:8786``.

        Raises:
            UsageError: It is none.
        """
        whole = address if "://" in address else f"tcp://{address}"
        with suppress(ValueError):  # a port above 65535, or no IPv6 address in brackets
            if _ADDRESS.fullmatch(whole) and urlsplit(whole).port is not None:
                return Scheduler(whole, wait_seconds)
        raise UsageError(
            "expected the address of a Dask scheduler, such as localhost:8786, "
            f"tcp://10.0.0.1:8786 or tls://10.0.0.1:8786, received {brief(address)}"
        )


@contextmanager
def connected(scheduler: Scheduler) -> Iterator[Client]:
    """A client of a cluster that is already there.

    Raises:
        ClusterError: The scheduler does not answer, wants another certificate, or has another Dask.
    """
    quieten()
    address = scheduler.address
    place = urlsplit(address)
    try:  # before there is a client, which would wait for ever and say much when it is given up
        # Dask tries again until its time is over, and then knows the last reason only.
        socket.create_connection((place.hostname, place.port), _CONNECT_SECONDS).close()
        versions = asyncio.run(asyncio.wait_for(_versions(address), _CONNECT_SECONDS))
    except TypeError as error:
        raise ClusterError(
            f"expected the certificates that {address} asks for, received none; set "
            f"{_TLS}CA_FILE, {_TLS}CLIENT__CERT and {_TLS}CLIENT__KEY to their files"
        ) from error
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"expected a Dask scheduler at {address}, received {_first_cause(error)}; "
            f"{_CERTIFICATES if address.startswith('tls:') else _START}"
        ) from error
    if differing := changes(get_versions()["packages"], versions["packages"], DASK):
        named = ", ".join(f"{name} {own}, received {theirs}" for name, own, theirs in differing)
        raise ClusterError(
            f"expected the scheduler {address} to have the Dask of this program, {named}; "
            "start it from the same environment"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)  # of packages that it does not use
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    with closing(client):
        yield client


async def _versions(address: str) -> dict[str, Any]:
    """What a scheduler says of the packages that it has."""
    certificates = Security().get_connection_args("client")
    async with rpc(address, timeout=_CONNECT_SECONDS, connection_args=certificates) as scheduler:
        found: dict[str, Any] = await scheduler.versions()
        return found


def quieten() -> None:
    """Let Dask log nothing: what matters is said by this program."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":  # Dask has given some a level of their own
            logging.getLogger(name).setLevel(logging.CRITICAL)


def check_workers(
    client: Client, scheduler: Scheduler, needs: Needs, say: Callable[[str], None]
) -> None:
    """Wait for the first worker, then ask every worker that is there whether it is fit; `say` is
    told what a person should know.

    Raises:
        ClusterError: There is no worker in time, or one is not fit: the first such is named.
    """
    workers = _first_workers(client, scheduler, say)
    say(f"asking {Count(len(workers)):worker|workers} of {scheduler.address}")
    try:
        answers = bounded(lambda: client.run(fitness.ask, needs, on_error="return"), _ASK_SECONDS)
    except NoAnswerError as error:
        raise ClusterError(
            f"expected every worker of {scheduler.address} to answer within {_ASK_SECONDS} s, "
            "received no answer from one of them; restart it"
        ) from error
    present = client.scheduler_info(n_workers=-1)["workers"]
    stayed = {worker: answer for worker, answer in answers.items() if worker in present}
    for worker, answer in sorted(stayed.items()):
        if reason := _objection(answer):
            host = workers.get(worker, {}).get("host", "")
            raise ClusterError(f"worker {worker}{f' on {host}' if host else ''}: {reason}")
    if warning := kernels_that_differ(stayed):
        say(warning)


def kernels_that_differ(answers: Mapping[str, Fitness]) -> str:
    """A warning of workers that will compute with different kernels; empty if there is none."""
    kinds = Counter(answer.kernels for answer in answers.values() if answer.kernels)
    if len(kinds) < 2:
        return ""
    counted = ", ".join(
        f"{kind} ({Count(number):worker|workers})" for kind, number in sorted(kinds.items())
    )
    return (
        f"warning: the workers compute with different kernels: {counted}; their last digits "
        'differ, and the verdict will say so; kernels = "portable" is the same on every x86-64 CPU'
    )


def _first_workers(
    client: Client, scheduler: Scheduler, say: Callable[[str], None]
) -> Mapping[str, Any]:
    """Address → what the scheduler knows of each worker, as soon as there is one."""
    until, announced = time.monotonic() + scheduler.wait_seconds, False
    while not (found := client.scheduler_info(n_workers=-1)["workers"]):
        if time.monotonic() >= until:
            raise ClusterError(
                f"expected a worker of {scheduler.address}, received none within "
                f"{scheduler.wait_seconds} s; start one with `dask worker {scheduler.address} "
                "--nthreads 1`, or wait for longer with --wait-for-workers"
            )
        if not announced:
            say(f"waiting for a worker of {scheduler.address}")
            announced = True
        time.sleep(_PAUSE_SECONDS)
    return dict(found)


def _objection(answer: Fitness | BaseException) -> str:
    if isinstance(answer, BaseException):
        return (
            "expected this version of fashion-mnist-dropout, received a worker that cannot answer "
            f"({one_line(answer)}); install it in the environment of `dask worker`"
        )
    return answer.objection


def _first_cause(error: BaseException) -> str:
    """Why a connection failed: what lies behind Dask's own words, such as a refused certificate."""
    while error.__cause__ is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    if isinstance(error, TimeoutError):
        return f"no answer as one within {_CONNECT_SECONDS} s"
    return one_line(error)
