"""One MLflow run from start to end: whatever happens to the program, it does not stay RUNNING.

Runs are never MLflow's "active run": its exit handler ends that one as FINISHED, whatever has
happened, and a second run of the same process is refused while there is one. What a run records
goes to its journal, on this disk, and from there to the store; see `outbox` and `delivery`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import mlflow

from fashion_dropout.errors import Interrupted, TrackingError, UndeliveredError
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking.recording.launched import parameters_to_log
from fashion_dropout.tracking.recording.opening import Place, name_run, open_run, written_metrics
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.recording.sender import Sender
from fashion_dropout.tracking.recording.system_metrics import system_metrics
from fashion_dropout.tracking.recording.tracked_run import TrackedRun, status_after
from fashion_dropout.tracking.store import tags as tag_names
from fashion_dropout.tracking.store.calls import (
    REFUSED,
    asks_mlflow,
    explained,
    one_line,
    short_timeouts,
)

_START_SECONDS, _START_ON_THIS_DISK = 25, 90
_TIMEOUT_SECONDS, _TIMEOUT_AFTER_A_SIGNAL = 25, 8


@contextmanager
def tracked_run(
    *,
    name: str,
    description: str,
    params: Mapping[str, Any],
    tags: Mapping[str, Any],
    experiment: str | Place | None = None,
    resume: str | None = None,
    monitored: bool = False,
) -> Iterator[TrackedRun]:
    """Open a run, and end it in the state that says how the block ended.

    FINISHED, or FAILED after an exception, or KILLED after a signal. Under ``mlflow run``, the run
    that it has made is used, in the experiment that it has chosen. A store that goes away in
    between costs nothing but a warning, and at the end some seconds of waiting for it.

    Args:
        name: The run's name; a name that the user gave to ``mlflow run`` stays.
        description: Shown on the run's page, Markdown.
        params: Logged once; what ``mlflow run`` has logged already stays as it was written.
        tags: Tags of the run.
        experiment: Its name, or the place that it was found to be; None for MLflow's own variables,
            else `opening.EXPERIMENT`.
        resume: The id of an interrupted run that goes on; None for a new one.
        monitored: Whether the use of CPU and memory is recorded every few seconds.

    Raises:
        TrackingError: MLflow does not answer at the start, or refused something; the cause in one
            line.
        UndeliveredError: MLflow does not answer at the end; all is kept on this disk.
    """
    tags = {**tags, tag_names.NOTE: description, **this_process()}
    run: TrackedRun | None = None
    with short_timeouts():
        try:
            with shielded():  # it raises a signal that came meanwhile, when there is a run to end
                run = _begin(experiment, name, resume, tags)
            _introduce(run, name, params, resume)
            with (
                system_metrics(run.run_id, run.log_metrics, first_step=run.samples)
                if monitored
                else nullcontext()
            ):
                yield run
        except BaseException as error:
            if run is None:
                raise
            with shielded():
                reported = _end_after(error, run)
            if reported is error:
                raise
            raise reported from error
        else:
            with shielded():
                run.end("FINISHED")
        finally:
            if run is not None:
                run.close()


def _seconds_to_start() -> float:
    local = mlflow.get_tracking_uri().startswith("sqlite:")
    return _START_ON_THIS_DISK if local else _START_SECONDS


@asks_mlflow(seconds=_seconds_to_start, late=TrackedRun.close)
def _begin(
    experiment: str | Place | None, name: str, resume: str | None, tags: Mapping[str, Any]
) -> TrackedRun:
    run, journal = open_run(experiment, name, resume, tags)
    concluded_anew = tags.get(tag_names.ROLE) == tag_names.STUDY_RUN
    known = run.data.tags
    try:
        written = {} if concluded_anew else written_metrics(run)
        begun = TrackedRun(run, journal, Sender(journal, mlflow.get_tracking_uri()), written)
        if missing := {name: of for name, of in tags.items() if known.get(name) != str(of)}:
            begun.set_tags(missing)
    except BaseException:
        journal.close(remove=False)
        raise
    return begun


@asks_mlflow(seconds=_seconds_to_start)
def _introduce(run: TrackedRun, name: str, params: Mapping[str, Any], resume: str | None) -> None:
    name_run(run.as_opened, name)
    known = run.as_opened.data.params if resume else {}  # of a run that goes on, they stay
    missing = {of: value for of, value in params.items() if of not in known}
    run.log_params(parameters_to_log(run.as_opened, missing))


def _end_after(error: BaseException, run: TrackedRun) -> BaseException:
    """Record how a run has failed; returns the error to tell the user."""
    reported = explained(error) if isinstance(error, REFUSED) else error
    stopped = isinstance(error, Interrupted | KeyboardInterrupt)
    timeout = _TIMEOUT_AFTER_A_SIGNAL if stopped else _TIMEOUT_SECONDS
    try:
        run.note_error(one_line(error))
        run.end(status_after(error), timeout)
    except UndeliveredError as second:
        if isinstance(reported, TrackingError):
            return second
        reported.add_note(str(second))
    except TrackingError as second:  # there is no room for the journal
        try:
            run.end_directly(status_after(error), one_line(error))
        except (OSError, TrackingError):
            reported.add_note(
                f"the end of run {run.run_id} could not be recorded: {one_line(second)}"
            )
    return reported
