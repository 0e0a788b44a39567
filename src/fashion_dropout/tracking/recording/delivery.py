"""Delivering a journal to the store: each entry so that a second delivery changes nothing."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable
from typing import Any

import mlflow
import requests
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.claims import first_finished
from fashion_dropout.tracking.recording.outbox import Entry, Journal
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import one_line
from fashion_dropout.tracking.store.timeouts import bounded

_SECONDS = 20
_SECONDS_FOR_FILES = 120
_ALREADY_THERE = re.compile(r"UNIQUE constraint|IntegrityError|[Dd]uplicate")
# What the store says of an entry that it will never take. All else may be otherwise tomorrow.
_REFUSALS = frozenset(
    {
        *("BAD_REQUEST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE"),
        *("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"),
    }
)
# What is answered today and another time not: too slow, too large, too many. So is 401: a password
# may be right tomorrow, and MLflow's server says so while the database of its users is away.
_PASSING = frozenset({401, 408, 413, 425, 429})
_LASTING = frozenset({errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.ENOTDIR})


def is_refusal(error: BaseException) -> bool:
    """Whether the store has answered and does not take an entry, now and later."""
    if isinstance(error, MlflowException):
        return str(error.error_code) in _REFUSALS
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return 400 <= status < 500 and status not in _PASSING
    if isinstance(error, shutil.Error):  # of several files, each with its own reason
        return True
    return isinstance(error, OSError) and error.errno in _LASTING


def deliver(client: mlflow.MlflowClient, journal: Journal, entry: Entry) -> None:
    """Bring one entry to the store.

    Args:
        client: Of the store.
        journal: The entry's journal.
        entry: One of the kinds ``metrics``, ``tags``, ``params``, ``input``, ``artifacts``,
            ``model`` and ``end``.
    """
    run_id = journal.folder.name
    match entry["kind"]:
        case "metrics":
            client.log_batch(run_id, metrics=_metrics(journal, entry))
        case "tags":
            client.log_batch(run_id, tags=[RunTag(*pair) for pair in entry["tags"].items()])
        case "params":
            client.log_batch(run_id, params=[Param(*pair) for pair in entry["params"].items()])
        case "input":
            input_tags = [InputTag(*pair) for pair in entry["tags"].items()]
            _once_more_if_there(
                lambda: client.log_inputs(
                    run_id, [DatasetInput(Dataset(**entry["dataset"]), input_tags)]
                )
            )
        case "artifacts":
            client.log_artifacts(run_id, str(journal.folder / entry["files"]))
        case "model":
            _model(client, journal, entry)
        case "end":
            _end(client, journal, entry)


def deliver_all(client: mlflow.MlflowClient, journal: Journal) -> int:
    """Deliver what waits in a journal, and stop when the store does not answer.

    Returns:
        How many entries were delivered.

    Raises:
        TrackingError: The store does not answer.
    """
    count = 0
    while (entry := journal.next(0)) is not None:
        deliver_or_refuse(client, journal, entry)
        count += 1
    return count


def deliver_or_refuse(client: mlflow.MlflowClient, journal: Journal, entry: Entry) -> None:
    """Deliver an entry, or take note that the store will never take it.

    Raises:
        TrackingError: The store does not answer, or something before it does not let the entry
            through.
    """
    try:
        bounded(
            lambda: deliver(client, journal, entry),
            _SECONDS_FOR_FILES if "files" in entry else _SECONDS,
        )
    except Exception as error:  # whatever it is: the thread that delivers must go on
        if not is_refusal(error):
            if getattr(error, "error_code", "") == "ENDPOINT_NOT_FOUND":
                what = "the server is not all of MLflow 3"
            elif isinstance(error, requests.HTTPError):
                what = "MLflow does not take what it is sent"
            else:
                what = "MLflow does not answer"
            raise TrackingError(f"{what}: {one_line(error)}") from error
        journal.refusal = journal.refusal or f"MLflow refused what it received: {one_line(error)}"
    journal.has_delivered(entry)


def _metrics(journal: Journal, entry: Entry) -> list[Metric]:
    name, digest = entry["dataset"] or (None, None)
    measured = {
        "model_id": journal.model_id if entry["of_model"] else None,
        "dataset_name": name,
        "dataset_digest": digest,
        "run_id": journal.folder.name,
    }
    return [
        Metric(metric, value, entry["time"], entry["step"], **measured)
        for metric, value in entry["metrics"].items()
    ]


def _end(client: mlflow.MlflowClient, journal: Journal, entry: Entry) -> None:
    """End the run; one of which the store refused a part does not end as FINISHED, nor one whose
    cell another run has finished.
    """
    run_id, status = journal.folder.name, entry["status"]
    if status == "FINISHED" and journal.refusal:
        status = "FAILED"
        client.set_tag(run_id, tags.ERROR, journal.refusal)
    if status == "FINISHED" and (first := first_finished(client, entry.get("claim"), run_id)):
        status = "KILLED"
        client.set_tag(run_id, tags.ERROR, f"run {first} has finished the same cell before")
    client.set_terminated(run_id, status, entry["time"])


def _model(client: mlflow.MlflowClient, journal: Journal, entry: Entry) -> None:
    """Store a model whose files wait; one that has begun to be stored is completed."""
    run = client.get_run(journal.folder.name)
    model = _model_of(client, run) or client.create_logged_model(
        run.info.experiment_id,
        name="model",
        source_run_id=run.info.run_id,
        tags=entry["tags"],
        params={**entry["params"], **run.data.params},
    )
    journal.model_id = model.model_id
    if model.status == LoggedModelStatus.READY:
        return
    outputs = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in {output.model_id for output in outputs}:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, entry["step"])])
    if metrics := _metrics_at(client, run, entry["step"], model.model_id):
        client.log_batch(run.info.run_id, metrics=metrics)
    folder = journal.folder / entry["files"]
    described = Model.load(str(folder))
    described.artifact_path = model.artifact_location
    described.model_uuid = described.model_id = model.model_id
    described.run_id = run.info.run_id
    described.save(str(folder / "MLmodel"))
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _model_of(client: mlflow.MlflowClient, run: Run) -> mlflow.entities.LoggedModel | None:
    """The model that was created for a run; None if there is none yet."""
    found = client.search_logged_models(
        [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
    )
    return found[0] if found else None


def _metrics_at(client: mlflow.MlflowClient, run: Run, step: int, model_id: str) -> list[Metric]:
    """The metrics of a run at a step, as those of a model that has not got them yet.

    A model's metric of one name, step and time is refused a second time if anything else about it
    differs: the run's test metrics, say, which the model may have with their dataset.
    """
    has = {(m.key, m.step, m.timestamp) for m in client.get_logged_model(model_id).metrics or ()}
    return [
        Metric(**{**entry.to_dictionary(), "model_id": model_id})
        for name in run.data.metrics
        for entry in client.get_metric_history(run.info.run_id, name)
        if entry.step == step and (entry.key, step, entry.timestamp) not in has
    ]


def _once_more_if_there(write: Callable[[], Any]) -> None:
    """Write what several runs may write at once: MLflow looks first and inserts then, so that the
    slower of two runs that begin together on the same dataset is refused, once.
    """
    for waited in (0.1, 0.3, 1.0):
        try:
            write()
        except MlflowException as error:
            if not _ALREADY_THERE.search(str(error)):
                raise
            time.sleep(waited)
        else:
            return
    write()
