"""The MLflow store: whether it answers, and its first use."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import mlflow
import sqlalchemy
from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.errors import Interrupted, TrackingError
from fashion_dropout.escapes import shortened

_IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
_CONNECT_SECONDS = 5
_FIRST_USE_SECONDS = 120
_SQL = re.compile(  # what SQLAlchemy writes around the cause of an error
    r"\(raised as a result of Query-invoked autoflush;.*?\) ?"
    r"|\[SQL: .*\] ?"
    r"|\(Background on this error at: \S+\)"
)
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def connect() -> None:
    """Make sure that the tracking store of MLflow's own variables answers, within 30 s.

    A new SQLite store is set up under a lock: MLflow's own first use is not safe when several
    processes begin at once.

    Raises:
        TrackingError: It does not answer, or is none.
    """
    quieten()
    uri = mlflow.get_tracking_uri()
    try:
        with impatient(), _first_use_lock(uri):
            _knock(uri)
            mlflow.MlflowClient().search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError, ImportError, Timeout) as error:
        raise TrackingError(
            f"expected an MLflow tracking store at {without_password(uri)}, received: "
            f"{one_line(error)}; start it, or set MLFLOW_TRACKING_URI to one that runs"
        ) from error


@contextmanager
def impatient() -> Iterator[None]:
    """Give up on a silent server after seconds, where MLflow would take minutes.

    What the user has set in MLflow's own variables stands.
    """
    added = {name: value for name, value in _IMPATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    retries = logging.getLogger("urllib3.connectionpool")
    level = retries.level
    retries.setLevel(logging.ERROR)
    try:
        yield
    finally:
        retries.setLevel(level)
        for name in added:
            os.environ.pop(name, None)


def one_line(error: BaseException) -> str:
    """The cause of an error in at most 300 characters, without line breaks."""
    text = _SQL.sub("", " ".join(str(error).split())).strip() or type(error).__name__
    return shortened(text, 300)  # its end counts: “… connection refused”


def status_after(error: BaseException) -> str:
    """The status of a run that an error has ended: ``KILLED`` by a signal, else ``FAILED``."""
    return "KILLED" if isinstance(error, Interrupted | KeyboardInterrupt) else "FAILED"


def _first_use_lock(uri: str) -> Any:
    if not uri.startswith("sqlite:"):
        return nullcontext()
    database = sqlalchemy.make_url(uri).database
    if not database or database == ":memory:":
        return nullcontext()
    path = Path(database).absolute()
    if not path.parent.is_dir():
        raise TrackingError(
            f"expected a folder {path.parent} for the store {path.name}, received none; create it, "
            "or set MLFLOW_TRACKING_URI to another place"
        )
    return FileLock(f"{path}.lock", timeout=_FIRST_USE_SECONDS)


def _knock(uri: str) -> None:
    """A database server that is not there would be asked again for minutes by MLflow."""
    if uri.startswith(("http:", "https:", "sqlite:", "databricks", "file:", "/")):
        return
    try:
        url = sqlalchemy.make_url(uri)
    except SQLAlchemyError:
        return
    port = url.port or _PORTS.get(url.get_backend_name())
    if url.host and port:
        socket.create_connection((url.host, port), timeout=_CONNECT_SECONDS).close()


def without_password(uri: str) -> str:
    """The URI of a store, as it may be shown."""
    try:
        return sqlalchemy.make_url(uri).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return uri


def quieten() -> None:
    """Leave out what is no news to a user; other warnings still show."""
    steps = (
        *("alembic", "mlflow.store.model_registry", "mlflow.tracking.fluent"),
        "mlflow.utils.uv_utils",
    )
    for name in steps:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of a missing pip, which environments made by uv do not have and models do not need.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    # They print the statements of an error of the database, which is raised as well.
    for name in ("mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
