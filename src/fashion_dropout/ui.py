"""MLflow's UI, served lean and opened on the comparison of a study."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote

from fashion_dropout.errors import Interrupted, TrackingError

Say = Callable[[str], object]

_HOST = "127.0.0.1"
_TRAINING = "&workflowType=machine_learning"  # else the UI opens in its mode for language models
_START_SECONDS = 90
_STOP_SECONDS = 10
_DEAF = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that a person started
# One worker and no job runner: two processes, where MLflow would start six.
_LEAN = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "1"}


def show_study(run_id: str, port: int, browser: bool, say: Say) -> None:
    """Serve the store, print and open the pages that compare a study's runs; Ctrl-C ends it.

    A store that is a tracking server already is not served again: its pages are opened.

    Args:
        run_id: The study's own run; "" for the study that was begun last.
        port: Where to serve; another one is taken if it is not free.
        browser: Whether to open the pages.
        say: Told what to look at.

    Raises:
        UsageError: There is no such study.
        TrackingError: The store does not answer, or cannot be served.
    """
    free = _free_port(port)
    # Another process asks MLflow while the server starts: sooner, and its memory is free again.
    with ProcessPoolExecutor(1, get_context("spawn"), signal.signal, _DEAF) as asking:
        asked = asking.submit(find_study, run_id)
        uri = _known_store() or asked.result().uri
        if uri.startswith(("http:", "https:")):
            _present(asked.result(), uri.rstrip("/"), browser, say)
            return
        if free != port:
            say(f"port {port} is taken; using port {free}")
        with served(uri, free, asked) as (address, server):
            _present(asked.result(), address, browser, say)
            asking.shutdown()
            say("Ctrl-C stops the server")
            try:
                server.wait()
            except Interrupted as stopped:
                if stopped.signal != signal.SIGINT:
                    raise
                say("stopped")
                return
    raise TrackingError("expected MLflow's UI to run until Ctrl-C, but it ended; start it again")


@dataclass(frozen=True)
class StudyPages:
    """Where a study is to be looked at.

    Attributes:
        study: Its key.
        uri: The store.
        paths: What → the path of the page in MLflow's UI; the first two are opened.
    """

    study: str
    uri: str
    paths: Mapping[str, str]


def find_study(run_id: str) -> StudyPages:
    """The pages of a study, or of the one that was begun last if `run_id` is empty.

    Raises:
        UsageError: There is no such study.
        TrackingError: The store does not answer.
    """
    import mlflow

    from fashion_dropout.tracking import queries
    from fashion_dropout.tracking.store import connect

    connect()
    run = queries.study_run(run_id) if run_id else queries.newest_study()
    study, experiment = run.data.tags["study"], run.info.experiment_id
    runs = list(queries.study_runs(study, experiment)["run_id"])
    paths = comparison_pages(study, experiment, runs, run.info.run_id)
    return StudyPages(study, mlflow.get_tracking_uri(), paths)


def comparison_pages(
    study: str, experiment_id: str, run_ids: Sequence[str], study_run_id: str
) -> dict[str, str]:
    """What to look at → the path of the page in MLflow's UI; the first two are opened.

    Args:
        study: The study's key.
        experiment_id: Where its runs are.
        run_ids: Its cells' runs.
        study_run_id: Its own run.
    """
    runs, experiments = _encoded(list(run_ids)), _encoded([experiment_id])
    return {
        "charts": f"/{chart_page(study, experiment_id)}",
        "parallel coordinates": f"/#/compare-runs?runs={runs}&experiments={experiments}{_TRAINING}",
        "val/loss": f"/#/metric?runs={runs}&metric={_encoded('val/loss')}"
        f"&experiments={experiments}&plot_metric_keys={_encoded(['val/loss'])}&x_axis=step{_TRAINING}",
        "verdict, figures and report": f"/#/experiments/{experiment_id}/runs/{study_run_id}",
    }


def chart_page(study: str, experiment_id: str) -> str:
    """The page with a chart for each metric of a study's runs, from inside MLflow's UI."""
    only = quote(f"tags.study = '{study}' and tags.role = 'run'", safe="")
    return (
        f"#/experiments/{experiment_id}/runs?searchFilter={only}&compareRunsMode=CHART{_TRAINING}"
    )


@contextmanager
def served(
    uri: str, port: int, asked: Future[StudyPages]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """MLflow's UI for a store, on this machine only: its address and its process.

    Args:
        uri: The store.
        port: A free one.
        asked: What is to be looked at; if that fails, the server is not waited for.

    Raises:
        TrackingError: It does not answer.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(
            [*command, "--host", _HOST, "--port", str(port)],
            # Not as an argument: the URI of a database may hold a password, and `ps` shows those.
            env={**os.environ, **_LEAN, "MLFLOW_BACKEND_STORE_URI": uri},
            stdout=said,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for this process, which stops that one in order
        )
        try:
            address = f"http://{_HOST}:{port}"
            if not _answers(address, server, asked):
                asked.result()  # what went wrong there comes first
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()
                raise TrackingError(
                    f"expected MLflow's UI to answer at {address}, received: "
                    f"{lines[-1] if lines else 'nothing'}"
                )
            yield address, server
        finally:
            _stop(server)


def _answers(address: str, server: subprocess.Popen[bytes], asked: Future[StudyPages]) -> bool:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        if asked.done() and asked.exception():
            return False
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker; what does not end is killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(_STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _present(pages: StudyPages, address: str, browser: bool, say: Say) -> None:
    say(f"study {pages.study}:")
    for what, path in pages.paths.items():
        say(f"  {what}\n    {address}{path}")
    if browser and not _open([f"{address}{path}" for path in list(pages.paths.values())[:2]]):
        say("no browser to open here: open the links yourself")


def _open(urls: Sequence[str]) -> bool:
    """Open pages in a browser with windows; one that takes the terminal is not meant."""
    windows = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not windows:
        return False
    opened = [webbrowser.open(url) for url in urls]
    return all(opened)


def _known_store() -> str:
    """The store, as far as it can be known without MLflow; else ""."""
    default = "sqlite:///mlflow.db" if Path("mlflow.db").is_file() else ""
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise TrackingError(f"expected a free port on {_HOST}, received none")


def _encoded(value: object) -> str:
    return quote(json.dumps(value, separators=(",", ":")), safe="")
