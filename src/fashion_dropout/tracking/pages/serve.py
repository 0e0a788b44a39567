"""MLflow's UI, served lean and opened on the comparison of a study."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.environment import FOR_UI, OF_A_SERVER
from fashion_dropout.errors import Interrupted, TrackingError
from fashion_dropout.tracking.pages.prepared import Pages, find_pages
from fashion_dropout.tracking.store.connect import examine
from fashion_dropout.tracking.store.future import Future, submitted
from fashion_dropout.tracking.store.secrets import without_login

_HOST = "127.0.0.1"
_START_SECONDS = 90
_STOP_SECONDS = 10


def show_study(named: str | None, port: int, browser: bool, say: Callable[[str], object]) -> None:
    """Serve the store, print and open the pages that compare a study's runs; Ctrl-C ends it.

    A store that is a tracking server already is not served again: its pages are opened.

    Args:
        named: The study; see `reading.studies.named_study`. None for the one that was begun last.
        port: Where to serve; another one is taken if it is not free.
        browser: Whether to open the pages.
        say: Told what to look at.

    Raises:
        UsageError: There is no such study.
        TrackingError: The store does not answer, or cannot be served.
    """
    free = _free_port(port)
    # Another process asks MLflow while the server starts: sooner, and its memory is free again.
    with submitted(find_pages, named) as study:
        uri = _known_store() or study.result().uri
        if uri.startswith(("http:", "https:")):
            _present(study.result(), without_login(uri).rstrip("/"), browser, say)
            return
        if uri.startswith("sqlite:"):
            with suppress(SQLAlchemyError):  # the other process says what is wrong
                examine(uri)  # before MLflow's server migrates it
        if named is not None or not uri.startswith("sqlite:"):
            study.result()  # no server starts for a study that is not there
        if free != port:
            say(f"port {port} is taken; using port {free}")
        with served(uri, free, study) as (address, server):
            _present(study.result(), address, browser, say)
            try:
                say("Ctrl-C stops the server")
                server.wait()
            except Interrupted as stopped:
                if stopped.signal != signal.SIGINT:
                    raise
                say("stopped")
                return
    raise TrackingError("expected MLflow's UI to run until Ctrl-C, but it ended; start it again")


@contextmanager
def served(
    uri: str, port: int, study: Future[Pages]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """MLflow's UI for a store, on this machine only and a free port: its address and its process.

    If the question for the study's pages fails, the server is not waited for.

    Raises:
        TrackingError: It does not answer.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
    own = {name: value for name, value in os.environ.items() if name not in OF_A_SERVER}
    with tempfile.TemporaryFile() as output:
        server = subprocess.Popen(
            [*command, "--host", _HOST, "--port", str(port)],
            # Not as an argument: the URI of a database may hold a password, and `ps` shows those.
            env={**own, **FOR_UI, "MLFLOW_BACKEND_STORE_URI": uri},
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for this process, which stops that one in order
        )
        try:
            address = f"http://{_HOST}:{port}"
            if not _answers(address, server, study):
                if study.failed:
                    study.result()  # raises what went wrong there, which comes first
                output.seek(0)
                lines = output.read().decode(errors="replace").strip().splitlines()
                raise TrackingError(
                    f"expected MLflow's UI to answer at {address}, received: "
                    f"{lines[-1] if lines else 'nothing'}"
                )
            yield address, server
        finally:
            _stop(server)


def _answers(address: str, server: subprocess.Popen[bytes], study: Future[Pages]) -> bool:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None and not study.failed:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker; what does not end is killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(server.pid, number)
            server.wait(_STOP_SECONDS)


def _present(pages: Pages, address: str, browser: bool, say: Callable[[str], object]) -> None:
    for note in pages.notes:
        say(f"note: {note}")
    say(f"{pages.shown}:")
    for what, path in pages.paths.items():
        say(f"  {what}\n    {address}{path}")
    if pages.warning:
        say(f"warning: {pages.warning}")
    if browser and not _open(f"{address}{next(iter(pages.paths.values()))}"):
        say("no browser to open here: open the links yourself")


def _open(url: str) -> bool:
    """Open a page in a browser with windows; one that takes the terminal is not meant."""
    windows = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not windows:
        return False
    return webbrowser.open(url)


def _known_store() -> str | None:
    """The URI of the store, as far as it can be known without MLflow; else None."""
    default = "sqlite:///mlflow.db" if Path("mlflow.db").is_file() else None
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server((_HOST, port)) as probe:
            return int(probe.getsockname()[1])
    raise TrackingError(f"expected a free port on {_HOST}, received none")
