"""The run that ``mlflow run`` makes before the program starts, with its parameters as typed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.config.values import plain
from fashion_dropout.errors import TrackingError
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking import tags
from fashion_dropout.tracking.patience import READ_SECONDS, bounded
from fashion_dropout.tracking.store import REFUSED, impatient, one_line, status_after

_VARIABLE = "MLFLOW_RUN_ID"
_INVENTED_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")


def launched_run_id() -> str | None:
    """The id of the run that ``mlflow run`` made for this process; None without one."""
    return os.environ.get(_VARIABLE) or None


def forget_launched_run() -> None:
    """Let this process make runs of its own, as a worker of a study must."""
    os.environ.pop(_VARIABLE, None)


@contextmanager
def without_launched_run() -> Iterator[None]:
    """While this is open, this process makes runs of its own, as in another store."""
    run_id = os.environ.pop(_VARIABLE, None)
    try:
        yield
    finally:
        if run_id is not None:
            os.environ[_VARIABLE] = run_id


def has_invented_name(run: Run) -> bool:
    """Whether MLflow invented the run's name, as in ``able-newt-12``; others are the user's."""
    return bool(_INVENTED_NAME.fullmatch(run.info.run_name or ""))


def parameters_to_log(run: Run, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are not recorded yet.

    ``mlflow run`` records parameters as text before the program starts, and MLflow refuses to
    record ``0.5`` where ``0.50`` is recorded, or 2 where ``2.0`` is.

    Args:
        run: The run, with what it has recorded.
        params: The parameters of the program.

    Raises:
        TrackingError: A parameter is recorded with another value.
    """
    known = run.data.params
    for name in params.keys() & known.keys():
        if plain(known[name]) != plain(str(params[name])):
            raise TrackingError(
                f"expected parameter {name} of run {run.info.run_id} to be {params[name]!r}, "
                f"received {known[name]!r}, which MLflow recorded before; use another run"
            )
    return {name: value for name, value in params.items() if name not in known}


def keep_with_launched_run(path: Path) -> str | None:
    """Store a file with the launched run: a git URL's working directory is a temporary clone.

    Returns:
        The id of the run; None if ``mlflow run`` has not made one for this process.

    Raises:
        TrackingError: MLflow refused it or went away.
    """
    run_id = launched_run_id()
    if not run_id:
        return None
    client = mlflow.MlflowClient()

    def keep() -> bool:
        # Of a run that has ended, the variable is left over.
        begun = bool(client.get_run(run_id).info.status == "RUNNING")
        if begun:
            client.log_artifact(run_id, str(path))
        return begun

    try:
        with impatient():
            return run_id if bounded(keep, READ_SECONDS) else None
    except REFUSED as error:
        raise TrackingError(
            f"expected to keep {path} with run {run_id}, received: {one_line(error)}"
        ) from error


def end_launched_run(error: BaseException) -> None:
    """End the launched run when the program failed before it could take the run up."""
    run_id = launched_run_id()
    if not run_id:
        return
    try:
        with shielded(), impatient():
            client = mlflow.MlflowClient()
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_tag(run_id, tags.ERROR, one_line(error))
                client.set_terminated(run_id, status_after(error))
    except (MlflowException, SQLAlchemyError, OSError):
        pass  # the launcher itself marks the run as FAILED then
