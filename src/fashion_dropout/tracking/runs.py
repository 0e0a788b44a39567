"""One MLflow run from start to end: whatever happens to the program, it does not stay RUNNING.

Runs are never MLflow's "active run": its exit handler ends that one as FINISHED, whatever has
happened, and a second run of the same process is refused while there is one.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.numpy_dataset import NumpyDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NOTE
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.errors import TrackingError
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking import tags as tag_names
from fashion_dropout.tracking.launched import (
    forget_launched_run,
    has_invented_name,
    launched_run_id,
    parameters_to_log,
)
from fashion_dropout.tracking.store import impatient, one_line, status_after

if TYPE_CHECKING:
    from fashion_dropout.tracking.models import LoggedModel  # importing it imports TensorFlow

EXPERIMENT = "fashion-mnist-dropout"
EXPERIMENT_DESCRIPTION = """\
**Does dropout change how a small convolutional network overfits Fashion-MNIST?**

Each run trains the same network under one regime (tag `regime`) and one seed (tag `seed`). Select
runs and open *Chart* to compare them. `gap/loss` = validation loss − training loss, both measured
with dropout off; it shows how much a network overfits. Runs with the same seed began with the same
weights and saw the same batches.
"""
_SYSTEM_METRICS_SECONDS = 5
_DIGEST_LENGTH = 36  # the longest that MLflow's dataset field takes
_REFUSED = (MlflowException, SQLAlchemyError, OSError)
_ALREADY_THERE = re.compile(r"UNIQUE constraint|IntegrityError|[Dd]uplicate")


class TrackedRun:
    """The run that `tracked_run` opened: what can be written to it."""

    def __init__(self, run_id: str, experiment_id: str) -> None:
        self.run_id = run_id
        self.experiment_id = experiment_id
        self._client = mlflow.MlflowClient()

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        *,
        step: int,
        model: LoggedModel | None = None,
        dataset: NumpyDataset | None = None,
    ) -> None:
        """Write metrics in one call, tied to the model and the dataset they were measured on."""
        now = int(time.time() * 1000)
        measured = {
            "model_id": model.model_id if model else None,
            "dataset_name": dataset.name if dataset else None,
            "dataset_digest": dataset.digest if dataset else None,
            "run_id": self.run_id,
        }
        self._client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, step, **measured) for name, value in metrics.items()],
        )

    def log_dataset(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        *,
        name: str,
        source: str,
        sha256: str,
        context: str,
    ) -> NumpyDataset:
        """Record a dataset as an input of the run; its full SHA-256 is a tag of the input.

        Args:
            images: uint8 of shape (n, 28, 28, 1).
            labels: uint8 of shape (n,).
            name: The dataset's name.
            source: A URL, or in words where the data comes from.
            sha256: Hexadecimal digest of its content.
            context: ``training``, ``validation`` or ``test``.
        """
        dataset = mlflow.data.from_numpy(
            images,
            targets=labels,
            source=source if "://" in source else CodeDatasetSource({"description": source}),
            name=name,
            digest=sha256[:_DIGEST_LENGTH],
        )
        labelled = [InputTag("sha256", sha256), InputTag(MLFLOW_DATASET_CONTEXT, context)]
        inputs = [DatasetInput(dataset._to_mlflow_entity(), labelled)]
        _patiently(lambda: self._client.log_inputs(self.run_id, inputs))
        return dataset

    @contextmanager
    def artifacts(self) -> Iterator[Path]:
        """A folder whose files become artifacts at the root of the run when the block ends."""
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
            self._client.log_artifacts(self.run_id, folder)

    def log_text(self, text: str, name: str) -> None:
        """Write one text artifact at the root of the run."""
        self._client.log_text(self.run_id, text, name)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        written = [RunTag(name, str(value)) for name, value in tags.items()]
        self._client.log_batch(self.run_id, tags=written)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters of the run."""
        written = [Param(name, str(value)) for name, value in params.items()]
        self._client.log_batch(self.run_id, params=written)

    def end(self, status: str) -> None:
        """Say how the run has ended; nothing is written to it afterwards."""
        self._client.set_terminated(self.run_id, status)


@contextmanager
def tracked_run(
    *,
    name: str,
    description: str,
    params: Mapping[str, Any],
    tags: Mapping[str, Any],
    experiment: str | None = None,
) -> Iterator[TrackedRun]:
    """Open a run, and end it in the state that says how the block ended.

    FINISHED, or FAILED after an exception, or KILLED after SIGINT or SIGTERM. Under
    ``mlflow run``, the run that it has made is used, in the experiment that it has chosen. A run
    whose end cannot be recorded stays RUNNING.

    Args:
        name: The run's name; a name that the user gave to ``mlflow run`` stays.
        description: Shown on the run's page, Markdown.
        params: Logged once; what ``mlflow run`` has logged already stays as it was written.
        tags: Tags of the run.
        experiment: Its name; None for MLflow's own variables, else `EXPERIMENT`.

    Raises:
        TrackingError: MLflow refused something or went away; the cause in one line.
    """
    run: TrackedRun | None = None
    with impatient():
        try:
            with shielded():
                run = _start(experiment, name)
            with _system_metrics(run.run_id):
                recorded = mlflow.MlflowClient().get_run(run.run_id)
                _describe(recorded, name, description)
                run.set_tags(tags)
                run.log_params(parameters_to_log(recorded, params))
                yield run
        except BaseException as error:
            told = _told(error)
            if run:
                with shielded():
                    _end_after(error, run, told)
            if told is error:
                raise
            raise told from error
        with shielded():
            try:
                run.end("FINISHED")
            except _REFUSED as error:
                raise _told(error) from error


def _told(error: BaseException) -> BaseException:
    """The error that a user is shown for an error."""
    if isinstance(error, MlflowException | SQLAlchemyError):
        return TrackingError(f"MLflow refused or went away: {one_line(error)}")
    return error


def _start(experiment: str | None, name: str) -> TrackedRun:
    client = mlflow.MlflowClient()
    if launched := launched_run_id():
        forget_launched_run()
        client.update_run(launched, status="RUNNING")
        info = client.get_run(launched).info
    else:
        info = client.create_run(_experiment_id(experiment), None, resolve_tags(), name).info
    return TrackedRun(info.run_id, info.experiment_id)


def _experiment_id(name: str | None) -> str:
    """The experiment of a name, else of MLflow's own variables, else `EXPERIMENT`; made if need be.

    `mlflow.set_experiment` would change more.
    """
    client = mlflow.MlflowClient()
    name = name or os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if not name and (chosen := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        return str(client.get_experiment(chosen).experiment_id)
    name = name or EXPERIMENT
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another process was faster
            return str(found.experiment_id)
        raise


@contextmanager
def _system_metrics(run_id: str) -> Iterator[None]:
    """While this is open, what the machine does is recorded with the run."""
    monitor = SystemMetricsMonitor(run_id, sampling_interval=_SYSTEM_METRICS_SECONDS)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def _describe(run: Run, name: str, description: str) -> None:
    client, run_id, experiment_id = mlflow.MlflowClient(), run.info.run_id, run.info.experiment_id
    if has_invented_name(run):
        client.update_run(run_id, name=name)
    client.set_tag(run_id, MLFLOW_RUN_NOTE, description)
    if MLFLOW_RUN_NOTE not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, MLFLOW_RUN_NOTE, EXPERIMENT_DESCRIPTION)


def _patiently(write: Callable[[], None]) -> None:
    """Write what several runs may write at once: MLflow looks first and inserts then, so that the
    slower of two runs that begin together on the same dataset is refused, once.
    """
    for waited in (0.1, 0.3, 1.0):
        try:
            return write()
        except MlflowException as error:
            if not _ALREADY_THERE.search(str(error)):
                raise
            time.sleep(waited)
    return write()


def _end_after(error: BaseException, run: TrackedRun, told: BaseException) -> None:
    """Record how a run has failed; if that fails too, say so with the error that is told."""
    try:
        run.set_tags({tag_names.ERROR: one_line(error)})
        run.end(status_after(error))
    except _REFUSED as second:
        told.add_note(f"the end of run {run.run_id} could not be recorded: {one_line(second)}")
