"""How a run begins or is taken up: its experiment, its journal, its name and description."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import mlflow
from mlflow.entities import Experiment, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES

from fashion_dropout.config.values import experiment_name
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.tracking.recording.delivery import deliver_all, once_more_if_there
from fashion_dropout.tracking.recording.launched import forget_launched_run, usable_launched_run
from fashion_dropout.tracking.recording.outbox import HeldError, Journal, journals
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.store import tags as tag_names
from fashion_dropout.tracking.store import urls
from fashion_dropout.tracking.store.calls import asks_mlflow, if_there, one_line
from fashion_dropout.tracking.store.connect import store_name
from fashion_dropout.tracking.store.places import gone
from fashion_dropout.tracking.store.search import find_runs, having

EXPERIMENT = "fashion-mnist-dropout"
_DESCRIPTION = """\
**Does dropout change how a small convolutional network overfits Fashion-MNIST?**

[The studies]({studies}): each links to its report and to the charts that compare its regimes. \
[Runs outside of studies]({single_runs}), by regime.

Each run trains the same network under one regime (tag `regime`) and one seed (tag `seed`). \
`gap/loss` = validation loss − training loss, both measured with dropout off; it shows how much a \
network overfits. Runs with the same seed began with the same weights and saw the same batches.
"""


class Place(NamedTuple):
    """An experiment of a store, and a digest that no other experiment of this or another store has.

    It does not depend on how the store is addressed: not on a host's name, the working directory,
    or a password.
    """

    experiment_id: str
    name: str
    digest: str

    @staticmethod
    def of(found: Experiment) -> Place:
        """The place that an experiment is."""
        parts = f"{found.experiment_id} {found.creation_time} {found.artifact_location}"
        return Place(found.experiment_id, found.name, sha256(parts.encode()).hexdigest()[:16])


def open_run(
    experiment: str | Place | None, name: str, resume: str | None, tags: Mapping[str, Any]
) -> tuple[Run, Journal]:
    """Begin a run, or take one up, and open its journal; see `run.tracked_run`.

    A new run has its tags. What the journal of a run that goes on has not delivered is delivered
    first.
    """
    journals().mkdir(parents=True, exist_ok=True)  # before there is a run
    client = mlflow.MlflowClient()
    known, created = resume or usable_launched_run(tags), None
    if not known:
        resolved = resolve_tags({name: str(value) for name, value in tags.items()})
        found = experiment if isinstance(experiment, Place) else usable_experiment(experiment)
        created = client.create_run(found.experiment_id, None, resolved, name)
        known = created.info.run_id
    forget_launched_run()
    about = {"store": store_name(mlflow.get_tracking_uri()), "name": name, **this_process()}
    try:
        journal = Journal(journals() / known, about)
    except TrackingError as error:
        if known != resume and not isinstance(error, HeldError):  # it is ours, and has not begun
            client.set_tag(known, tag_names.ERROR, one_line(error))
            client.set_terminated(known, "FAILED")
        raise
    if created:
        journal.has_no_model = True
        return created, journal
    try:
        deliver_all(client, journal)  # of an interrupted run
        if known == resume:  # others judge by its process whether a run that says RUNNING goes on
            wanted = (tag_names.SESSION, tag_names.STUDY_RUN_ID, tag_names.CELL)
            own = {name: str(tags[name]) for name in wanted if name in tags}
            about_run = {**this_process(), **own}
            client.log_batch(known, tags=[RunTag(*tag) for tag in about_run.items()])
        client.update_run(known, status="RUNNING")
        run = client.get_run(known)
        if tag_names.ERROR in run.data.tags:  # why it was interrupted
            client.delete_tag(known, tag_names.ERROR)
    except BaseException:
        journal.close(remove=False)  # this process may try again
        raise
    return run, journal


def written_metrics(run: Run) -> dict[str, dict[int, tuple[float, int]]]:
    """The metrics that a run has: name → step → value, and its time in milliseconds since 1970.
    Those of the machine are left out.
    """
    client = mlflow.MlflowClient()
    return {
        name: {
            entry.step: (entry.value, entry.timestamp)
            for entry in client.get_metric_history(run.info.run_id, name)
        }
        for name in run.data.metrics
        if not name.startswith(tag_names.OF_THE_MACHINE)
    }


def experiment_id(name: str | None) -> str:
    """The id of an experiment; see `usable_experiment`."""
    return str(usable_experiment(name).experiment_id)


@asks_mlflow()
def usable_experiment(name: str | None) -> Experiment:
    """The experiment of a name, else of MLflow's own variables, else `EXPERIMENT`; made if need be.

    `mlflow.set_experiment` would change more.

    Raises:
        UsageError: It was deleted, or there can be none.
    """
    client = mlflow.MlflowClient()
    name = name or os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if not name and (chosen := os.environ.get("MLFLOW_EXPERIMENT_ID")):
        if found := if_there(lambda: client.get_experiment(chosen)):
            return _active(found)
        raise UsageError(
            "expected in MLFLOW_EXPERIMENT_ID the id of an experiment of this store, received "
            f"{brief(chosen)}; `mlflow experiments search` lists them, or give --experiment-name"
        )
    name = name or EXPERIMENT
    if found := client.get_experiment_by_name(name):
        return _active(found)
    try:
        return client.get_experiment(client.create_experiment(experiment_name(name)))
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another process was faster
            return found
        raise


@asks_mlflow()
def make_experiment(name: str, artifacts: str) -> None:
    """Make an experiment whose artifacts have a place of their own, a URI."""
    mlflow.MlflowClient().create_experiment(name, artifacts)


def _active(experiment: Experiment) -> Experiment:
    """An experiment that can be recorded in. In a deleted one, an interrupted run would look as if
    it was gone, and its checkpoints would be removed. Where its folder is gone, MLflow would make
    it again.
    """
    if experiment.lifecycle_stage != "active":
        raise UsageError(
            f"expected an experiment {experiment.name} that is in use, received one that was "
            f"deleted; `mlflow experiments restore -x {experiment.experiment_id}` brings it back, "
            "or give another name with --experiment-name"
        )
    missing = gone(experiment.artifact_location, mlflow.get_tracking_uri())
    if missing and _has_finished(experiment):
        raise TrackingError(
            f"expected the files of experiment {experiment.name} {missing}, or give another name "
            "with --experiment-name"
        )
    return experiment


def _has_finished(experiment: Experiment) -> bool:
    """Whether a run of this program has finished in an experiment, and so has left files."""
    return any(
        find_runs(
            having({tag_names.ROLE: role}, "attributes.status = 'FINISHED'"),
            experiment.experiment_id,
            most=1,
        )
        for role in (tag_names.RUN, tag_names.STUDY_RUN)
    )


def _has_invented_name(run: Run) -> bool:
    """Whether MLflow invented the run's name, as in ``able-newt-12``; others are the user's."""
    first, _, rest = str(run.info.run_name).partition("-")
    second, _, number = rest.partition("-")
    invented = first in _GENERATOR_PREDICATES and second in _GENERATOR_NOUNS
    return bool(invented and number.isdecimal())


def name_run(run: Run, name: str) -> None:
    """Give a run its name, unless the user has, and its experiment a description if it has none:
    a study's own run does that for its cells.
    """
    client, experiment = mlflow.MlflowClient(), run.info.experiment_id
    if _has_invented_name(run):
        client.update_run(run.info.run_id, name=name)
    if tag_names.CELL in run.data.tags:  # a promotion names a study's run, too
        return
    if not client.get_experiment(experiment).tags.get(tag_names.NOTE):  # "" is none
        described = _DESCRIPTION.format(
            studies=urls.studies_page(experiment),
            single_runs=urls.view_page(experiment, urls.SINGLE_RUNS),
        )
        once_more_if_there(lambda: client.set_experiment_tag(experiment, tag_names.NOTE, described))
