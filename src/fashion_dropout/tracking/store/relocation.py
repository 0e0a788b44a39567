"""Mend a store that was moved: record that its files are beside it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.texts import Count
from fashion_dropout.tracking.store.database import database_file, opened
from fashion_dropout.tracking.store.places import (
    FINISHED,
    Place,
    check_places,
    moved_folders,
    own_folders,
    places_away,
)
from fashion_dropout.tracking.store.schema import is_current
from fashion_dropout.tracking.store.secrets import without_password

_COLUMNS = (
    *(("experiments", "artifact_location"), ("runs", "artifact_uri")),
    *(("logged_models", "artifact_location"), ("trace_tags", "value")),
    *(("model_versions", "source"), ("model_versions", "storage_location")),
)
_OURS = "EXISTS (SELECT 1 FROM tags WHERE tags.run_uuid = runs.run_uuid AND key = 'role')"


def relocate(uri: str) -> str:
    """Record in a SQLite store that its files are beside it, after a copy of it was made; returns
    what was done, for a person.

    Raises:
        UsageError: It is no SQLite file that is there.
        TrackingError: The files are not there, or not all of them, or the store cannot be changed.
            Nothing was changed.
    """
    database = database_file(uri)
    if database is None:
        raise UsageError(
            "expected a store in a SQLite file whose files were moved with it, received "
            f"{without_password(uri)}; go to the folder with mlflow.db, or set MLFLOW_TRACKING_URI"
        )
    try:
        with opened(uri) as connection:
            assert connection is not None
            away = places_away(connection, database) if is_current(connection, uri) else []
            moved = moved_folders(connection, database, away)
            if not moved:
                check_places(connection, database)
                return f"nothing to do: {database} records its files where they are"
            _check_whole(connection, away, moved)
            copy = _copied(connection, database)
            runs = sum(_record(connection, *roots) for roots in moved.items())
            connection.commit()
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        raise TrackingError(
            f"expected to write to {database} and beside it, received: {cause}; nothing was changed"
        ) from error
    lines = [f"{before} is {now} now" for before, now in moved.items()]
    return "\n".join(
        [f"copied {database} to {copy}", *lines, f"recorded for {Count(runs):run|runs}"]
    )


def _check_whole(connection: Connection, away: list[Place], moved: dict[Path, Path]) -> None:
    """Refuse to forget where files are that have not been moved."""
    finished = text(f"{FINISHED} AND experiment_id = :experiment AND {_OURS}")
    for place in away:
        folders = own_folders(connection, place, place.beside)
        missing = own_folders(connection, place, place.recorded) - folders
        lost = (
            not folders and connection.execute(finished, {"experiment": place.experiment}).first()
        )
        if place.roots[0] in moved and (missing or lost):
            what = f"some of them in {place.recorded}" if missing else "none"
            raise TrackingError(
                f"expected the files of experiment {place.name} in {place.beside}, received {what}"
                f"; bring all of {place.roots[0]} to {place.roots[1]}, and type this again"
            )


def _copied(connection: Connection, database: Path) -> Path:
    copy = database.with_name(
        f"{database.name}.before-relocate-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    )
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)
    try:
        with closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _record(connection: Connection, before: Path, now: Path) -> int:
    """Record that what was in a folder is in another; returns for how many runs."""
    runs = 0
    for table, column in _COLUMNS:
        for old, new in ((f"{before}/", f"{now}/"), (f"{before.as_uri()}/", f"{now.as_uri()}/")):
            changed = connection.execute(
                text(
                    f"UPDATE {table} SET {column} = :new || substr({column}, :length) "  # noqa: S608
                    f"WHERE substr({column}, 1, :length - 1) = :old"
                ),
                {"old": old, "new": new, "length": len(old) + 1},
            )
            runs += changed.rowcount if table == "runs" else 0
    return runs
