"""Delivering a journal to the store: each entry so that a second delivery changes nothing."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable
from itertools import starmap
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
from fashion_dropout.tracking.recording.entries import Entry
from fashion_dropout.tracking.recording.outbox import Journal
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import one_line
from fashion_dropout.tracking.store.timeouts import FILES_SECONDS, bounded

_SECONDS = 20
_ALREADY_THERE = re.compile(r"UNIQUE constraint|IntegrityError|[Dd]uplicate")
# What the store says of an entry that it will never take. All else may be otherwise tomorrow.
_REFUSALS = (
    *("BAD_REQUEST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE"),
    *("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"),
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


def deliver(client: mlflow.MlflowClient, journal: Journal, entries: list[Entry]) -> None:
    """Bring entries to the store: one of the kinds ``artifacts``, ``model`` and ``end``, or any
    number of the kind ``input``, or of the kinds ``metrics``, ``tags`` and ``params``.
    """
    run_id, entry = journal.folder.name, entries[0]
    match entry["kind"]:
        case "metrics" | "tags" | "params":
            client.log_batch(
                run_id,
                metrics=[metric for each in entries for metric in _metrics(journal, each)],
                params=list(starmap(Param, _pairs(entries, "params").items())),
                tags=list(starmap(RunTag, _pairs(entries, "tags").items())),
            )
        case "input":
            inputs = [
                DatasetInput(
                    Dataset(**each["dataset"]), list(starmap(InputTag, each["tags"].items()))
                )
                for each in entries
            ]
            once_more_if_there(lambda: client.log_inputs(run_id, inputs))
        case "artifacts":
            client.log_artifacts(run_id, str(journal.folder / entry["files"]))
        case "model":
            _model(client, journal, entry)
        case "end":
            _end(client, journal, entry)


def deliver_all(client: mlflow.MlflowClient, journal: Journal) -> int:
    """Deliver what waits in a journal; returns how many entries that were.

    Raises:
        TrackingError: The store does not answer; the rest still waits.
    """
    count = 0
    while entries := journal.next(0):
        deliver_or_refuse(client, journal, entries)
        count += len(entries)
    return count


def deliver_or_refuse(client: mlflow.MlflowClient, journal: Journal, entries: list[Entry]) -> None:
    """Deliver entries, or take note that the store will never take one of them.

    Raises:
        TrackingError: The store does not answer, or something before it does not let the entry
            through.
    """
    try:
        bounded(
            lambda: deliver(client, journal, entries),
            FILES_SECONDS if "files" in entries[0] else _SECONDS,
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
        if len(entries) > 1:  # the others must not be lost with the one that is refused
            for entry in entries:
                deliver_or_refuse(client, journal, [entry])
            return
        journal.refusal = journal.refusal or f"MLflow refused what it received: {one_line(error)}"
    journal.has_delivered(entries)


def _pairs(entries: list[Entry], kind: str) -> dict[str, str]:
    """Name → value of what entries have of a kind; the last one counts."""
    return {name: value for entry in entries for name, value in entry.get(kind, {}).items()}


def _metrics(journal: Journal, entry: Entry) -> list[Metric]:
    if entry["kind"] != "metrics":
        return []
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
    begun = None if journal.has_no_model else _model_of(client, run)
    journal.has_no_model = False
    model = begun or client.create_logged_model(
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
    measured = {"model_id": model.model_id, "run_id": run.info.run_id}
    has = {(metric.key, metric.step) for metric in model.metrics or ()}
    if metrics := [
        Metric(name, value, time, entry["step"], **measured)
        for name, (value, time) in entry.get("metrics", {}).items()
        if (name, entry["step"]) not in has
    ]:
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


def once_more_if_there(write: Callable[[], Any]) -> None:
    """Write what several runs may write at once: MLflow looks first and inserts then, so that the
    slower of two runs that begin together on the same dataset, or in a new experiment, is refused,
    once.
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
