"""Where a store says that its files are, and where they are.

MLflow records absolute paths. In a folder that was renamed, moved or copied it makes the former
folder again and stores there, or it writes into the original. Only what is sure counts as moved: an
artifact location that somebody chose elsewhere does not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.store.database import database_file, opened, sqlite_uri

FINISHED = "SELECT 1 FROM runs WHERE status = 'FINISHED'"
_USUAL = "mlruns"
_EXPERIMENTS = "SELECT experiment_id, name, creation_time, artifact_location FROM experiments"


class Place(NamedTuple):
    """Where the files of an experiment are.

    Attributes:
        experiment: Its id.
        created: When, in milliseconds since 1970.
        recorded: The folder that the store names.
        beside: The folder of the same name beside the database.
    """

    experiment: int
    name: str
    created: int
    recorded: Path
    beside: Path

    @property
    def stays(self) -> bool:
        """Whether both are one folder, or will be."""
        both = (self.recorded, self.beside)
        return len({os.path.realpath(path) for path in both}) == 1 or (
            all(os.access(path, os.F_OK) for path in both) and self.recorded.samefile(self.beside)
        )

    @property
    def roots(self) -> tuple[Path, Path]:
        """The folders of all experiments, usually ``mlruns``: the recorded one and that beside."""
        return self.recorded.parent, self.beside.parent


def check_places(connection: Connection, database: Path) -> None:
    """Refuse a store whose files are elsewhere than its database says, which must have the schema
    of the MLflow that is installed.

    Raises:
        TrackingError: It was moved or copied.
    """
    away = places_away(connection, database)
    for before, now in moved_folders(connection, database, away).items():
        raise TrackingError(
            f"expected the store {database} to record its files in {now}, received {before}: it "
            "was moved or copied; type `fashion-dropout relocate` to record where they are now"
        )
    for place in away:
        if original := _original(place, database):
            raise TrackingError(
                f"expected a store with its files, received {database}, a copy of {original} "
                f"alone; work with that one, or copy {place.roots[0]} to {place.roots[1]}, too, "
                "and type `fashion-dropout relocate`"
            )


def gone(location: str, uri: str) -> str:
    """What to say of the files of an experiment or a run that are not in the location that a store
    records; empty, if they are there, or are a server's own, or belong beside the database, where
    new ones come to the right place.
    """
    folder, database = local_folder(location), database_file(uri)
    if folder is None or os.access(folder, os.F_OK) or uri.startswith("http"):
        return ""
    if database and Path(os.path.realpath(folder)).is_relative_to(database.parent.resolve()):
        return ""
    return (
        f"in {folder}, as the store records, received no such folder; bring it back, or, if the "
        "store was moved, put the files beside it and type `fashion-dropout relocate`"
    )


def local_folder(location: str) -> Path | None:
    """The folder that a location names, if it is on a disk."""
    parts = urlsplit(location)
    folder = Path(unquote(parts.path) if parts.scheme == "file" else location)
    return folder if parts.scheme in ("", "file") and folder.is_absolute() else None


def places_away(connection: Connection, database: Path) -> list[Place]:
    """The experiments whose files would not be beside the database."""
    places = []
    for experiment, name, created, location in connection.execute(text(_EXPERIMENTS)).all():
        if recorded := local_folder(location or ""):
            beside = database.parent / recorded.parent.name / recorded.name
            places.append(Place(experiment, name, created, recorded, beside))
    return [place for place in places if not place.stays]


def moved_folders(connection: Connection, database: Path, away: list[Place]) -> dict[Path, Path]:
    """The recorded folder of experiments → the one beside the database that has their files.

    Before a first run has finished there need be no files. Then a folder that is gone, or belongs
    to the database that this one is a copy of, must do as a sign.
    """
    moved = dict(place.roots for place in away if own_folders(connection, place, place.beside))
    if away and not moved and not connection.execute(text(FINISHED)).first():
        return dict(
            place.roots
            for place in away
            if place.roots[0].name == _USUAL
            and (not os.access(place.roots[0].parent, os.F_OK) or _original(place, database))
        )
    return moved


def own_folders(connection: Connection, place: Place, folder: Path) -> set[str]:
    """The runs and models of an experiment that have a folder of their own in a folder."""
    if not folder.is_dir():
        return set()
    own = text(
        "SELECT run_uuid FROM runs WHERE experiment_id = :experiment UNION "
        "SELECT model_id FROM logged_models WHERE experiment_id = :experiment"
    )
    found = {
        path.name
        for above in (folder, folder / "models")
        if above.is_dir()
        for path in above.iterdir()
    }
    return found & set(connection.scalars(own, {"experiment": place.experiment}))


def _original(place: Place, database: Path) -> Path | None:
    """The database beside the recorded place that has the same experiment, and is not this one."""
    original = place.roots[0].parent / database.name
    try:
        if not original.is_file() or original.samefile(database):
            return None
        with opened(sqlite_uri(original)) as connection:
            experiments = connection.execute(text(_EXPERIMENTS)).all() if connection else []
    except (SQLAlchemyError, OSError):
        return None
    own = (place.experiment, place.created, place.recorded)
    found = {
        (number, created, local_folder(location or ""))
        for number, _, created, location in experiments
    }
    return original if own in found else None
