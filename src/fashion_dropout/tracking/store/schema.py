"""The schema of a store's database: MLflow migrates an older one at its first look, unasked."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, text

from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.store.database import database_file
from fashion_dropout.tracking.store.secrets import without_password


def is_current(connection: Connection, uri: str) -> bool:
    """Whether a database has the schema of the MLflow that is installed; a new one has none yet.

    Raises:
        TrackingError: It holds something in another schema.
    """
    tables = set(sqlalchemy.inspect(connection).get_table_names())
    if "experiments" not in tables:
        return False
    found = None
    if "alembic_version" in tables:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    known, newest = _revisions()
    if found == newest:
        return True
    if not connection.scalar(text("SELECT count(*) FROM experiments")):
        return False  # a first use was killed, and MLflow goes on with it
    shown, path = without_password(uri), database_file(uri)
    expected = f"expected a database of MLflow {version('mlflow')} at {shown}, received one of "
    if found and found not in known:
        raise TrackingError(
            f"{expected}a newer version (schema {found}); use the version of MLflow that wrote it, "
            "or another store"
        )
    copy = f"`cp {path} {path}.before-upgrade`" if path else "make a backup of it"
    raise TrackingError(
        f"{expected}an older version (schema {found or 'without a number'}), and changed nothing, "
        "because the older version could not open it any more; to bring it up to date, "
        f"{copy}, then `mlflow db upgrade {shown}`"
    )


@lru_cache(maxsize=1)
def _revisions() -> tuple[frozenset[str], str]:
    """The schemas that the installed MLflow knows, and the newest of them.

    They are read from the text of its migrations, some of which import half of MLflow.
    """
    package = find_spec("mlflow")
    assert package and package.origin
    scripts = (Path(package.origin).parent / "store/db_migrations/versions").glob("*.py")
    lines = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    known = set(re.findall(r'^revision = "(\w+)"', lines, re.MULTILINE))
    (newest,) = known - set(re.findall(r'^down_revision = "(\w+)"', lines, re.MULTILINE))
    return frozenset(known), newest
