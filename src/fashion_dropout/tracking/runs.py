"""One MLflow run from start to end: whatever happens to the program, it does not stay RUNNING."""

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
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.errors import TrackingError
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking import pages
from fashion_dropout.tracking import tags as tag_names
from fashion_dropout.tracking.launched import (
    has_invented_name,
    launched_run_id,
    parameters_to_log,
)
from fashion_dropout.tracking.store import impatient, one_line, status_after

if TYPE_CHECKING:
    from fashion_dropout.tracking.models import LoggedModel  # importing it imports TensorFlow

EXPERIMENT = "fashion-mnist-dropout"
_EXPERIMENT_DESCRIPTION = """\
**Does dropout change how a small convolutional network overfits Fashion-MNIST?**

[The studies]({studies}): each links to its report and to the charts that compare its regimes. \
[Runs outside of studies]({single_runs}), by regime.

Each run trains the same network under one regime (tag `regime`) and one seed (tag `seed`). \
`gap/loss` = validation loss − training loss, both measured with dropout off; it shows how much a \
network overfits. Runs with the same seed began with the same weights and saw the same batches.
"""
_SYSTEM_METRICS_SECONDS = 5
_DIGEST_LENGTH = 36  # the longest that MLflow's dataset field takes
_ALREADY_THERE = re.compile(r"UNIQUE constraint|IntegrityError|[Dd]uplicate")


class TrackedRun:
    """The run that `tracked_run` opened: what can be written to it."""

    def __init__(self, run_id: str, experiment_id: str) -> None:
        self.run_id = run_id
        self.experiment_id = experiment_id

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        *,
        step: int,
        model: LoggedModel | None = None,
        dataset: NumpyDataset | None = None,
    ) -> None:
        """Write metrics in one call, tied to the model and the dataset they were measured on."""
        mlflow.log_metrics(
            dict(metrics),
            step=step,
            model_id=model.model_id if model else None,
            dataset=dataset,
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
        _patiently(lambda: mlflow.log_input(dataset, context=context, tags={"sha256": sha256}))
        return dataset

    @contextmanager
    def artifacts(self) -> Iterator[Path]:
        """A folder whose files become artifacts at the root of the run when the block ends."""
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
            mlflow.log_artifacts(folder)

    def log_text(self, text: str, name: str) -> None:
        """Write one text artifact at the root of the run."""
        mlflow.log_text(text, name)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        mlflow.set_tags(dict(tags))


@contextmanager
def tracked_run(
    *,
    name: str,
    description: str,
    params: Mapping[str, Any],
    tags: Mapping[str, Any],
    experiment: str | None = None,
    system_metrics: bool = False,
) -> Iterator[TrackedRun]:
    """Open a run, and end it in the state that says how the block ended.

    FINISHED, or FAILED after an exception, or KILLED after SIGINT or SIGTERM. Under
    ``mlflow run``, the run that it has made is used, in the experiment that it has chosen.

    Args:
        name: The run's name; a name that the user gave to ``mlflow run`` stays.
        description: Shown on the run's page, Markdown.
        params: Logged once; what ``mlflow run`` has logged already stays as it was written.
        tags: Tags of the run.
        experiment: Its name; None for MLflow's own variables, else `EXPERIMENT`.
        system_metrics: Whether MLflow records use of CPU and memory every few seconds.

    Raises:
        TrackingError: MLflow refused something or went away; the cause in one line.
    """
    try:
        with shielded():
            run = _start(experiment, name, system_metrics)
        recorded = mlflow.MlflowClient().get_run(run.run_id)
        _describe(recorded, name, description)
        mlflow.set_tags(dict(tags))
        mlflow.log_params(parameters_to_log(recorded, params))
        yield run
    except BaseException as error:
        with shielded(), impatient():
            _end_after(error)
        if isinstance(error, MlflowException | SQLAlchemyError):
            raise TrackingError(f"MLflow refused or went away: {one_line(error)}") from error
        raise
    with shielded():
        mlflow.end_run("FINISHED")


def _start(experiment: str | None, name: str, system_metrics: bool) -> TrackedRun:
    launched = launched_run_id() is not None
    chosen = os.environ.get("MLFLOW_EXPERIMENT_NAME") or os.environ.get("MLFLOW_EXPERIMENT_ID")
    mlflow.set_system_metrics_sampling_interval(_SYSTEM_METRICS_SECONDS)
    active = mlflow.start_run(
        run_name=None if launched else name,
        experiment_id=None
        if launched or (chosen and not experiment)
        else _experiment_id(experiment or EXPERIMENT),
        log_system_metrics=system_metrics,
    )
    return TrackedRun(active.info.run_id, active.info.experiment_id)


def _experiment_id(name: str) -> str:
    """The experiment called `name`, made if need be; `mlflow.set_experiment` would change more."""
    client = mlflow.MlflowClient()
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another process was faster
            return str(found.experiment_id)
        raise


def _describe(run: Run, name: str, description: str) -> None:
    client, run_id, experiment_id = mlflow.MlflowClient(), run.info.run_id, run.info.experiment_id
    if has_invented_name(run):
        client.update_run(run_id, name=name)
    client.set_tag(run_id, MLFLOW_RUN_NOTE, description)
    if MLFLOW_RUN_NOTE not in client.get_experiment(experiment_id).tags:
        described = _EXPERIMENT_DESCRIPTION.format(
            studies=pages.studies_page(experiment_id),
            single_runs=pages.single_runs_page(experiment_id),
        )
        client.set_experiment_tag(experiment_id, MLFLOW_RUN_NOTE, described)


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


def _end_after(error: BaseException) -> None:
    if mlflow.active_run() is None:
        return
    try:
        mlflow.set_tag(tag_names.ERROR, one_line(error))
    except (MlflowException, SQLAlchemyError, OSError) as second:
        error.add_note(f"the run's end could not be recorded: {one_line(second)}")
    else:
        mlflow.end_run(status_after(error))
