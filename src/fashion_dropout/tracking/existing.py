"""A store that is there already: to ask something must not make an empty one."""

from __future__ import annotations

from pathlib import Path

from fashion_dropout.errors import UsageError


def connect_to_existing() -> None:
    """As `store.connect`, for those who only read: a missing SQLite file is refused, not made.

    Raises:
        UsageError: The store is a SQLite file that does not exist.
        TrackingError: The store does not answer.
    """
    import mlflow
    import sqlalchemy

    from fashion_dropout.tracking.store import connect

    uri = mlflow.get_tracking_uri()
    database = sqlalchemy.make_url(uri).database if uri.startswith("sqlite:") else None
    if database and database != ":memory:" and not Path(database).is_file():
        raise UsageError(
            f"expected an MLflow store in {uri}, received no such file; go to the folder where a "
            "run or a study was recorded, or set MLFLOW_TRACKING_URI"
        )
    connect()
