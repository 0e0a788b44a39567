"""The database of a store, opened without MLflow, whose first look would change an old one."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import Connection

from fashion_dropout.errors import UsageError

_CONNECT_SECONDS = 5
_LOCKED_SECONDS = 15
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_NO_DATABASE = ("http:", "https:", "databricks", "file:", "/")


def sqlite_path(uri: str) -> Path | None:
    """The file that a SQLite store has or would have; None for any other store.

    Raises:
        UsageError: The URI of a SQLite store is none.
    """
    if not uri.startswith("sqlite:"):
        return None
    name = _parsed(
        uri,
        f"expected a SQLite store such as sqlite:///mlflow.db, received {uri}; set "
        "MLFLOW_TRACKING_URI to one",
    ).database
    return Path(name.removeprefix("file:")) if name and name != ":memory:" else None


def database_file(uri: str) -> Path | None:
    """The file of a SQLite store, if it is one and is there."""
    path = sqlite_path(uri)
    return path.absolute() if path and path.is_file() else None


def is_new() -> bool:
    """Whether it is certain, before MLflow is imported, that the store holds nothing yet: it is a
    SQLite file that is not there.
    """
    if "MLFLOW_RUN_ID" in os.environ:  # whoever has made that run knows the store
        return False
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        path = sqlite_path(uri)
        return path is not None and path.parent.is_dir() and not path.exists()
    return not Path("mlflow.db").exists() and not Path("mlruns").exists()  # MLflow's own defaults


def sqlite_uri(path: Path) -> str:
    """The URI of the store in a SQLite file, as SQLAlchemy and a shell read it back.

    Blanks, ``%`` and what else has a meaning to them is encoded; letters of every script stay.
    """
    encoded = (
        quote(character) if character.isascii() or character.isspace() else character
        for character in str(path)
    )
    return f"sqlite:///{''.join(encoded)}"


def absolute(uri: str) -> str:
    """The URI of a store as one that means the same in every folder.

    Raises:
        UsageError: It is relative, and the launcher, in another folder, meant another file.
    """
    path = sqlite_path(uri)
    if path is None or path.is_absolute():
        return uri
    here, launched = path.absolute(), os.environ.get("MLFLOW_RUN_ID")
    if launched and not _has_run(here, launched):
        suggested = sqlite_uri(path).replace("sqlite:///", "sqlite:///$PWD/")
        raise UsageError(
            f"expected an absolute MLFLOW_TRACKING_URI under `mlflow run`, received {uri}, which "
            f"is {here} in the folder where the program runs, without the run {launched} that was "
            f"made for it; type MLFLOW_TRACKING_URI={suggested} before `mlflow run`"
        )
    options = f"?{query}" if (query := uri.partition("?")[2]) else ""
    scheme = "file:" if uri.startswith("sqlite:///file:") else ""
    return f"sqlite:///{scheme}{quote(str(here))}{options}"


@contextmanager
def opened(uri: str) -> Iterator[Connection | None]:
    """A connection to the database of a store; None if it has none, or a SQLite file is missing.

    Raises:
        UsageError: Its URI cannot be read.
        SQLAlchemyError, OSError: It does not answer within seconds.
    """
    path = database_file(uri)
    if uri.startswith(_NO_DATABASE) or (uri.startswith("sqlite:") and not path):
        yield None
        return
    if path:
        address = f"file:{quote(str(path))}?mode=rw"  # which makes no file
        engine = sqlalchemy.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, timeout=_LOCKED_SECONDS),
            poolclass=sqlalchemy.NullPool,
        )
    else:
        # Nothing of what cannot be read is shown: who knows where its password is?
        url = _parsed(
            uri,
            "expected the URI of a database, such as postgresql://user:password@host:5432/name, "
            "received one that cannot be read; in the user and the password write @ as %40, : as "
            "%3A and / as %2F, and set MLFLOW_TRACKING_URI to it",
        )
        port = url.port or _PORTS.get(url.get_backend_name())
        if url.host and port:  # a driver would wait for minutes
            socket.create_connection((url.host, port), timeout=_CONNECT_SECONDS).close()
        engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _parsed(uri: str, problem: str) -> sqlalchemy.URL:
    """The parts of a database's URI; the problem is what a user is told if it cannot be read."""
    try:
        return sqlalchemy.make_url(uri)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # of a port that is no number
        raise UsageError(problem) from error


def _has_run(path: Path, run_id: str) -> bool:
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            query = "SELECT 1 FROM runs WHERE run_uuid = ?"
            return database.execute(query, [run_id]).fetchone() is not None
    except sqlite3.Error:
        return False
