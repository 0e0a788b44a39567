"""A store that is there already: to ask something must not make an empty one."""

from __future__ import annotations

from fashion_dropout.errors import UsageError


def connect_to_existing() -> None:
    """As `store.connect`, for those who only read: a missing SQLite file is refused, not made.

    Raises:
        UsageError: The store is a SQLite file that does not exist.
        TrackingError: The store does not answer.
    """
    import mlflow

    from fashion_dropout.tracking.database import absolute
    from fashion_dropout.tracking.store import connect, is_there

    uri = absolute(mlflow.get_tracking_uri())
    if not is_there(uri):
        raise UsageError(
            f"expected an MLflow store in {uri}, received no such file; go to the folder where a "
            "run or a study was recorded, or set MLFLOW_TRACKING_URI"
        )
    connect()
