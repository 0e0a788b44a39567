"""What runs, what is interrupted, and what the store does not have yet, for a person."""

from __future__ import annotations

import shlex

import mlflow
from mlflow.entities import Run

from fashion_dropout.config.training import recorded_config
from fashion_dropout.errors import FashionDropoutError
from fashion_dropout.escapes import visible
from fashion_dropout.runs.interrupted import UnfinishedRun, folder_of_runs, interrupted_runs
from fashion_dropout.texts import Count
from fashion_dropout.tracking.recording import processes
from fashion_dropout.tracking.recording.launched import UNBEGUN
from fashion_dropout.tracking.recording.opening import EXPERIMENT
from fashion_dropout.tracking.recording.previous import place_by_id, unfinished_run
from fashion_dropout.tracking.recording.recovery import Undelivered, is_dead, running, undelivered
from fashion_dropout.tracking.recording.unseen import may_begin, never_began, of_host, unbegun_runs
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect, is_there, store_name


def describe_status() -> str:
    """The state of all runs of the store that MLflow uses, and of this machine's journals.

    A store that is not there is not made.

    Raises:
        TrackingError: The store does not answer.
    """
    uri = mlflow.get_tracking_uri()
    runs: list[Run] = []
    resumable: dict[str, str] = {}
    unreadable: list[str] = []
    if exists := is_there(uri):
        connect()
        runs = running()
        resumable = {
            unfinished.run_id: _interrupted(unfinished, epoch, stored)
            for unfinished, epoch in interrupted_runs(unreadable.append)
            if (stored := unfinished_run(unfinished.run_id))
        }
    lines = [
        *(
            (_dead if is_dead(run) else _running)(run)
            for run in runs
            if run.info.run_id not in resumable
        ),
        *resumable.values(),
        *map(_unbegun, unbegun_runs()),
        *(_undelivered(journal) for journal in undelivered(unreadable.append) if journal.entries),
        *map(visible, unreadable),
    ]
    store = f"store {visible(store_name(uri))}{'' if exists else ': there is none yet'}"
    return "\n".join([store, *(lines or ["No runs in progress; everything is delivered."])])


def _running(run: Run) -> str:
    found = run.data.tags
    place = (
        visible(f"process {found[processes.PID]} on {found[processes.HOST]}")
        if processes.PID in found
        else "a process that it does not name"
    )
    line = f"running: {_named(run)}, {place}"
    if processes.HOST not in found or processes.is_of_this_machine(found):
        return line
    return f"{line}\n  {of_host(found[processes.HOST])}"


def _unbegun(run: Run) -> str:
    if not never_began(run):
        return may_begin(run)
    return (
        f"never begun: {_named(run)}: {UNBEGUN}\n"
        "  `fashion-dropout sync` marks it; `mlflow run` has said why: no conda or uv, say"
    )


def _dead(run: Run) -> str:
    return (
        f"interrupted: {_named(run)}, still says RUNNING\n"
        f"  `fashion-dropout sync` marks it; to run it: {_again(run)}"
    )


def _interrupted(unfinished: UnfinishedRun, epoch: int, run: Run) -> str:
    line = f"interrupted: {_named(run)}, after epoch {epoch} of {unfinished.config.epochs}"
    place = place_by_id(run.info.experiment_id)
    if place and place.digest == unfinished.identity.place:
        images = _images(unfinished.config.dataset)
        return f"{line}\n  to go on: fashion-dropout train --resume {unfinished.run_id}{images}"
    folder = folder_of_runs() / unfinished.identity.asked
    again = _again(run)
    if unfinished.experiment != EXPERIMENT:
        again += f" {visible(shlex.quote(f'--experiment-name={unfinished.experiment}'))}"
    return (
        f"{line}, before its store was moved: it cannot go on\n"
        f"  to run it again: {again}; then remove {visible(shlex.quote(str(folder)))}"
    )


def _undelivered(journal: Undelivered) -> str:
    return (
        f"undelivered: {visible(journal.name)}, run {journal.run_id}: "
        f"{Count(journal.entries):entry waits|entries wait} for {visible(journal.store)}\n"
        f"  {of_host(journal.host) if journal.host else '`fashion-dropout sync` delivers them'}"
    )


def _named(run: Run) -> str:
    return f"{visible(str(run.info.run_name))}, run {run.info.run_id}"


def _again(run: Run) -> str:
    """The command that a run came from, as far as its record tells."""
    role = run.data.tags.get(tags.ROLE)
    if role == tags.PROMOTION:
        study = visible(run.data.tags.get(tags.STUDY_RUN_ID, "<study run>"))
        return f"fashion-dropout promote {study}"
    if tags.STUDY in run.data.tags:
        images = _images(run.data.tags.get(tags.DATASET))
        study = visible(run.data.tags[tags.STUDY])
        return f"fashion-dropout compare <the file of study {study}>{images}"
    try:
        given = recorded_config(run.data.params).model_dump(exclude_defaults=True)
    except FashionDropoutError:
        return "the same `fashion-dropout train` again"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    return shlex.join(["fashion-dropout", "train", *options]) + _images(given.get("dataset"))


def _images(dataset: str | None) -> str:
    return " --data-dir <the folder of its images>" if dataset == "idx" else ""
