"""The MLflow store: whether it answers, and its first use."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import mlflow
from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.tracking.store import database
from fashion_dropout.tracking.store.calls import REFUSED, one_line, short_timeouts
from fashion_dropout.tracking.store.places import check_places
from fashion_dropout.tracking.store.schema import is_current
from fashion_dropout.tracking.store.secrets import without_password
from fashion_dropout.tracking.store.timeouts import NoAnswerError, bounded

_ANSWER_SECONDS = 25
_FIRST_USE_SECONDS = 120
_LEAST_LEVELS = {
    "alembic": logging.WARNING,
    "mlflow.store.model_registry": logging.WARNING,
    "mlflow.tracking.fluent": logging.WARNING,
    "mlflow.utils.uv_utils": logging.WARNING,
    # It warns of a missing pip, which environments made by uv do not have and models do not need.
    "mlflow.utils.environment": logging.ERROR,
    # They print the trace and the statements of an error of the database, which is raised as well.
    "mlflow.store.db.utils": logging.CRITICAL,
    "mlflow.system_metrics": logging.CRITICAL,
    # It warns of each insertion that the database refuses, such as that of the metrics which MLflow
    # inserts again to link them to a model; what MLflow does not take back is raised as well.
    "psycopg": logging.ERROR,
}
_WITHOUT_RIGHT = ("PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST")


def connect() -> None:
    """Make sure that the tracking store of MLflow's own variables answers, within 30 s, and that
    this program can use it. What it is, is decided here, before MLflow asks it anything.

    A new SQLite store is set up under a lock: MLflow's own first use is not safe when several
    processes begin at once. A relative URI becomes absolute, for the workers in other folders.

    Raises:
        UsageError: Its URI is relative, and ``mlflow run`` meant another file.
        TrackingError: It does not answer, or is none; it is of another version of MLflow, or was
            moved.
    """
    for name, level in _LEAST_LEVELS.items():  # what is no news to a user; other warnings show
        logging.getLogger(name).setLevel(level)
    given = mlflow.get_tracking_uri()
    uri = database.absolute(given)
    if uri != given:
        mlflow.set_tracking_uri(uri)
    try:
        _refuse_kinds(uri)
        with short_timeouts(), _first_use_lock(uri):
            bounded(lambda: _examine_all(uri), _ANSWER_SECONDS)
            if uri.startswith("sqlite:"):  # it answers; a busy machine makes a new one slowly
                bounded(_ask, _FIRST_USE_SECONDS)
            else:
                bounded(_ask, _ANSWER_SECONDS)
                bounded(lambda: ask_for_models(mlflow.MlflowClient(), uri), _ANSWER_SECONDS)
    except (*REFUSED, OSError, ImportError, Timeout, NoAnswerError) as error:
        raise TrackingError(
            f"expected an MLflow tracking store at {without_password(uri)}, received: "
            f"{one_line(error)}; {_advice(error)}"
        ) from error


def connect_to_existing() -> None:
    """As `connect`, for those who only read: a missing SQLite file is refused, not made.

    Raises:
        UsageError: The store is a SQLite file that does not exist.
        TrackingError: The store does not answer.
    """
    uri = database.absolute(mlflow.get_tracking_uri())
    if not is_there(uri):
        raise UsageError(
            f"expected an MLflow store in {uri}, received no such file; go to the folder where a "
            "run or a study was recorded, or set MLFLOW_TRACKING_URI"
        )
    connect()


def examine(uri: str) -> None:
    """Refuse a database that MLflow would change, or whose files are not where it says.

    Raises:
        TrackingError: It is of another version of MLflow, or was moved.
        SQLAlchemyError, OSError: It does not answer.
    """
    with database.opened(uri) as connection:
        if connection and is_current(connection, uri) and (file := database.database_file(uri)):
            check_places(connection, file)


def _advice(error: BaseException) -> str:
    if getattr(error, "error_code", "") == "UNAUTHENTICATED":
        return (
            "give a user and a password that it knows in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    return "start it, or set MLFLOW_TRACKING_URI to one that runs"


def _examine_all(uri: str) -> None:
    for store in dict.fromkeys([uri, mlflow.get_registry_uri()]):
        examine(store)


def _refuse_kinds(uri: str) -> None:
    """Refuse stores that no later command could read, or that MLflow refuses at length."""
    received = ""
    if uri.startswith("sqlite:"):
        if database.sqlite_path(uri) is None:
            received = "one in memory, which ends with this process"
    elif uri.startswith("file:") or ("://" not in uri and uri != "databricks"):
        received = "a folder, which MLflow 3 takes no longer"
    if received:
        raise TrackingError(
            f"expected a database or a server as store, received {uri}: {received}; set "
            "MLFLOW_TRACKING_URI to a file such as sqlite:///mlflow.db"
        )


def _first_use_lock(uri: str) -> Any:
    path = database.sqlite_path(uri)
    if path is None:
        return nullcontext()
    if not path.parent.is_dir():
        raise TrackingError(
            f"expected a folder {path.parent} for the store {path.name}, received none; create it, "
            "or set MLFLOW_TRACKING_URI to another place"
        )
    if path.is_dir():  # MLflow would try to open it for minutes
        raise TrackingError(
            f"expected a SQLite file as store, received the folder {path}; set MLFLOW_TRACKING_URI "
            f"to a file in it, such as {database.sqlite_uri(path / 'mlflow.db')}"
        )
    return FileLock(f"{path}.lock", timeout=_FIRST_USE_SECONDS)


def is_there(uri: str) -> bool:
    """Whether a store can be asked without making it: SQLite makes a file that is missing."""
    return database.sqlite_path(uri) is None or database.database_file(uri) is not None


def _ask() -> None:
    mlflow.MlflowClient().search_experiments(max_results=1)


def ask_for_models(client: mlflow.MlflowClient, uri: str) -> None:
    """Refuse a server that takes all of a run but its model, after it was trained.

    Raises:
        TrackingError: It knows no logged models: it is older than MLflow 3, or only a part of it.
    """
    try:
        client.search_logged_models(["0"], max_results=1)
    except MlflowException as error:
        if error.error_code in _WITHOUT_RIGHT:
            return
        raise TrackingError(
            f"expected a tracking server of MLflow 3 or later, which stores models, received "
            f"{without_password(uri)}, which answers to the search for models: {one_line(error)}; "
            "set MLFLOW_TRACKING_URI to another store"
        ) from error


def store_name(uri: str) -> str:
    """What a store is called in journals, whoever uses it from wherever, without its password."""
    path = database.database_file(uri)
    return database.sqlite_uri(path) if path else without_password(uri)
