"""Earlier runs of the same command: those that have finished, and one that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import mlflow
from mlflow.entities import Run

from fashion_dropout.tracking.recording.launched import launched_run
from fashion_dropout.tracking.recording.opening import Place, usable_experiment
from fashion_dropout.tracking.recording.processes import has_died
from fashion_dropout.tracking.recording.recovery import WHY, mark
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow, if_there
from fashion_dropout.tracking.store.finished import missing_parts
from fashion_dropout.tracking.store.places import local_folder
from fashion_dropout.tracking.store.search import find_runs, having, with_models


@asks_mlflow()
def place_of_next_run(experiment: str | None) -> Place:
    """Where `tracked_run` would open a run; the experiment is made if need be.

    Raises:
        UsageError: ``MLFLOW_RUN_ID`` names a run that is not in the store.
    """
    if launched := launched_run():
        return Place.of(mlflow.get_experiment(launched.info.experiment_id))
    return Place.of(usable_experiment(experiment))


@asks_mlflow()
def place_by_id(experiment: str) -> Place | None:
    """An experiment; None if the store has none of this id."""
    return if_there(lambda: Place.of(mlflow.get_experiment(experiment)))


@asks_mlflow()
def files_of(experiment: str) -> Path | None:
    """The folder of an experiment's files, made if need be; None where a server or a bucket has
    them.
    """
    folder = local_folder(mlflow.get_experiment(experiment).artifact_location)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@asks_mlflow(expected=lambda _: "the right to record in the experiment (EDIT, on MLflow's server)")
def check_writable(experiment: str) -> None:
    """Refuse an experiment in which this user may not record: its description is written again, as
    it is.
    """
    client = mlflow.MlflowClient()
    described = client.get_experiment(experiment).tags.get(tags.NOTE, "")
    client.set_experiment_tag(experiment, tags.NOTE, described)


@asks_mlflow()
def finished_run(experiment: str, wanted: Mapping[str, str]) -> Run | None:
    """The newest finished run with these tags; an empty text stands for a tag that is missing.

    Opening an interrupted run with ``mlflow.start_run`` marks it FINISHED although it is not.
    """
    found = with_models(_runs(experiment, wanted, "= 'FINISHED'"))
    return next((run for run in found if not missing_parts(run)), None)


@asks_mlflow()
def dead_run_without_epochs(experiment: str, wanted: Mapping[str, str]) -> Run | None:
    """A run with these tags whose process was killed before it could record anything else."""
    for run in _runs(experiment, wanted, "!= 'FINISHED'"):
        killed = run.info.status == "RUNNING" or run.data.tags.get(tags.ERROR) == WHY
        if killed and has_died(run.data.tags) and "val/loss" not in run.data.metrics:
            return run
    return None


@asks_mlflow()
def unfinished_run(run_id: str) -> Run | None:
    """A run, if it is there and has not finished."""
    run = if_there(lambda: mlflow.get_run(run_id))
    if run is None or run.info.lifecycle_stage != "active":
        return None
    return None if run.info.status == "FINISHED" and not missing_parts(run) else run


@asks_mlflow()
def give_up(run_id: str, why: str) -> None:
    """Mark an interrupted run that will not be continued as KILLED, and say why."""
    if (run := unfinished_run(run_id)) is not None:
        mark(run, why)


def _runs(experiment: str, wanted: Mapping[str, str], status: str) -> Iterator[Run]:
    """The runs of an experiment with these tags, the newest first."""
    bits = {tags.BITS_SHA256: wanted[tags.BITS_SHA256]}
    runs = having(bits, f"attributes.status {status}")
    for run in find_runs(runs, experiment, newest_first=True):
        if all(run.data.tags.get(name, "") == text for name, text in wanted.items()):
            yield run
