"""The run that ``mlflow run`` makes before the program starts, with its parameters as typed.

``MLFLOW_RUN_ID`` names it. A platform sets the variable, too, and it stays behind in a shell: what
it names is used only if it has not begun, or if the same command has begun it and was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from fashion_dropout.config.training import TrainingConfig, parse_parameter
from fashion_dropout.config.values import plain, unquoted
from fashion_dropout.errors import FashionDropoutError, TrackingError, UsageError
from fashion_dropout.escapes import shortened
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking.recording.processes import HOST, PID, has_died
from fashion_dropout.tracking.recording.tracked_run import status_after
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow, if_there, one_line
from fashion_dropout.tracking.store.connect import connect_to_existing, store_name
from fashion_dropout.tracking.store.search import find_runs, having

_VARIABLE = "MLFLOW_RUN_ID"
_SAME_COMMAND = (tags.ROLE, tags.STUDY, tags.REGIME, tags.BITS_SHA256)
UNBEGUN = "`mlflow run` made this run, and has ended before it could start the program"
"""Why `unseen` ends a run. If the program starts all the same, it takes the run up."""


def launched_run_id() -> str | None:
    """The id of the run that ``mlflow run`` made for this process; None without one."""
    return os.environ.get(_VARIABLE) or None


def forget_launched_run() -> None:
    """Let this process make runs of its own, as a worker of a study must."""
    os.environ.pop(_VARIABLE, None)


def launched_run() -> Run | None:
    """The run that ``mlflow run`` made for this process; None without one.

    Raises:
        UsageError: The store does not have it.
    """
    if not (run_id := launched_run_id()):
        return None
    if run := if_there(lambda: mlflow.get_run(run_id)):
        return run
    raise _unusable(run_id, f"is not in {store_name(mlflow.get_tracking_uri())}")


@asks_mlflow()
def usable_launched_run(wanted: Mapping[str, Any]) -> str | None:
    """The id of the launched run, if a command that gives its run these tags may write to it; None
    without one.

    Raises:
        UsageError: The variable names a run that is not there, has ended, or is another one's.
    """
    run = launched_run()
    if run is None:
        return None
    if reason := _not_usable(run, wanted):
        raise _unusable(run.info.run_id, reason)
    return str(run.info.run_id)


def _unusable(run_id: str, reason: str) -> UsageError:
    return UsageError(
        f"expected {_VARIABLE} to name a run that was made for this command and has not begun, "
        f"received {shortened(run_id, 40)}, which {reason}; type `unset {_VARIABLE}`, and the "
        "command makes a run of its own"
    )


def _not_usable(run: Run, wanted: Mapping[str, Any]) -> str:
    """Why a run is not for a command with these tags; empty if it is."""
    status, recorded = run.info.status, run.data.tags
    if run.info.lifecycle_stage != "active":
        return "was deleted"
    if has_not_begun(run):
        return "is the parent of other runs" if _has_children(run) else ""
    if status == "FINISHED" or recorded.get(tags.ROLE) not in (tags.RUN, tags.STUDY_RUN):
        return "has begun" if status == "RUNNING" else f"has ended as {status}"
    if any(recorded.get(name, "") != str(wanted.get(name, "")) for name in _SAME_COMMAND):
        return "another command has begun"
    if status == "RUNNING" and not has_died(recorded):
        return f"process {recorded.get(PID, '?')} on {recorded.get(HOST, '?')} has begun"
    return ""


def has_not_begun(run: Run) -> bool:
    """Whether nothing but the launcher has written to a run, or `sync`, which took it for dead."""
    waits = run.info.status in ("RUNNING", "SCHEDULED") or run.data.tags.get(tags.ERROR) == UNBEGUN
    return (
        waits
        and tags.ROLE not in run.data.tags
        and all(name.startswith(tags.OF_THE_MACHINE) for name in run.data.metrics)
    )


def _has_children(run: Run) -> bool:
    """Whether a run is the parent of others, as the run of a pipeline is."""
    children = having({MLFLOW_PARENT_RUN_ID: run.info.run_id})
    return bool(find_runs(children, run.info.experiment_id, most=1))


@contextmanager
def without_launched_run() -> Iterator[None]:
    """While this is open, this process makes runs of its own, as in another store."""
    run_id = os.environ.pop(_VARIABLE, None)
    try:
        yield
    finally:
        if run_id is not None:
            os.environ[_VARIABLE] = run_id


def parameters_to_log(run: Run, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are not recorded yet.

    ``mlflow run`` records parameters as text before the program starts, and MLflow refuses to
    record ``0.5`` where ``0.50`` is recorded, or 2 where ``2.0`` is.

    Raises:
        TrackingError: A parameter is recorded with another value.
    """
    known = run.data.params
    for name in params.keys() & known.keys():
        as_recorded = str(params[name])[:MAX_PARAM_VAL_LENGTH]  # MLflow cuts it there
        if _meant(name, known[name]) != plain(as_recorded):
            raise TrackingError(
                f"expected parameter {name} of run {run.info.run_id} to be {params[name]!r}, "
                f"received {known[name]!r}, which MLflow recorded before; use another run"
            )
    return {name: value for name, value in params.items() if name not in known}


def _meant(name: str, typed: str) -> str:
    """The one form of a parameter as it was typed: ``flip`` of ``flip:0.5``."""
    if name in TrainingConfig.model_fields:
        with suppress(UsageError):
            return plain(str(parse_parameter(name, unquoted(typed))))
    return plain(typed)


def keep_with_launched_run(path: Path) -> str | None:
    """Store a file with the launched run, as a git URL's working directory is a temporary clone;
    returns the id of the run, None without one.

    Raises:
        TrackingError: MLflow refused it or went away.
    """
    run_id = launched_run_id()
    if not run_id:
        return None
    try:
        return run_id if _keep(run_id, path) else None
    except TrackingError as error:
        why = one_line(error.__cause__ or error)
        raise TrackingError(
            f"expected to keep {path} with run {run_id}, received: {why}"
        ) from error


@asks_mlflow()
def _keep(run_id: str, path: Path) -> bool:
    """Store a file with a run that goes on; of one that has ended, the variable is left over."""
    client = mlflow.MlflowClient()
    begun = bool(client.get_run(run_id).info.status == "RUNNING")
    if begun:
        client.log_artifact(run_id, str(path))
    return begun


def end_launched_run(error: BaseException) -> None:
    """End the launched run when the program failed before it could take the run up.

    A run that has begun is not the launcher's any more: the variable was left over.
    """
    if run_id := launched_run_id():
        # Where this fails, the launcher itself marks the run as FAILED.
        with suppress(FashionDropoutError, OSError), shielded():
            connect_to_existing()
            _end(run_id, error)


@asks_mlflow()
def _end(run_id: str, error: BaseException) -> None:
    client = mlflow.MlflowClient()
    if has_not_begun(client.get_run(run_id)):
        client.set_tag(run_id, tags.ERROR, one_line(error))
        client.set_terminated(run_id, status_after(error))
