"""Runs that say RUNNING and of whose processes nothing can be seen from here.

They belong to another machine, or to this one when it had another name, as containers and laptops
do; or ``mlflow run`` has made them for this project and never started the program.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

import mlflow
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_ENTRY_POINT, MLFLOW_SOURCE_TYPE

from fashion_dropout.escapes import visible
from fashion_dropout.tracking.recording.launched import UNBEGUN, has_not_begun
from fashion_dropout.tracking.recording.processes import HOST, is_of_this_machine, others_have_open
from fashion_dropout.tracking.recording.recovery import is_dead, mark_and_say, running, undelivered
from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.connect import is_there
from fashion_dropout.tracking.store.database import database_file
from fashion_dropout.tracking.store.search import find_runs, having

TELLING = {
    "main": "split_seed",
    "compare": "scheduler",
    "report": "lang",
    "promote": "policy",
    "verify": "run_id",
}
"""A parameter of each entry point of MLproject by which a run of this project is known."""

_LONGEST_HOURS = 24  # no environment is built for so long


def tell_unseen(say: Callable[[str], None], ended: str | None = None) -> None:
    """Mark the runs that never began as KILLED; name those of which that is not known; say what can
    be done. `ended` is as for `recovery.tidy`.
    """
    for run in unbegun_runs():
        if never_began(run) or run.info.run_id == ended:
            mark_and_say(run, UNBEGUN, say)
        else:
            say(may_begin(run))
    for host, runs in sorted(_of_other_hosts(ended).items()):
        names = ", ".join(f"{name}, run {run_id}" for run_id, name in runs.items())
        say(f"{names}: {of_host(host)}")


@asks_mlflow()
def unbegun_runs() -> list[Run]:
    """The runs that ``mlflow run`` has made for this project and that nobody has taken up."""
    if not is_there(mlflow.get_tracking_uri()):
        return []
    runs = having({MLFLOW_SOURCE_TYPE: "PROJECT"}, "attributes.status = 'RUNNING'")
    found = find_runs(runs, newest_first=True)
    return [run for run in found if _is_of_this_project(run) and has_not_begun(run)]


def _is_of_this_project(run: Run) -> bool:
    return TELLING.get(run.data.tags.get(MLFLOW_PROJECT_ENTRY_POINT, "")) in run.data.params


def never_began(run: Run) -> bool:
    """Whether the launcher of a run is gone for sure, and does not build an environment.

    It has a SQLite store open as long as it lives. Of other stores only the time can tell, and
    where other programs have the database open, too.
    """
    hours = (time.time() - run.info.start_time / 1000) / 3600
    database = database_file(mlflow.get_tracking_uri())
    return hours > _LONGEST_HOURS or (database is not None and not others_have_open(database))


def may_begin(run: Run) -> str:
    """What to say of a run whose environment may still be built."""
    return (
        f"not begun: {visible(str(run.info.run_name))}, run {run.info.run_id}: "
        "`mlflow run` may be building its environment, or be at work; if it has failed, type "
        f"`fashion-dropout sync --ended {run.info.run_id}` (without it, `sync` marks the run after "
        f"{_LONGEST_HOURS} hours)"
    )


def of_host(host: str) -> str:
    """What to say of runs of another machine."""
    return (
        f"of {visible(host)}, where a process cannot be seen from here; if it has ended, or if "
        "this machine had that name, type "
        f"`fashion-dropout sync --ended {shlex.quote(visible(host))}`"
    )


def _of_other_hosts(ended: str | None) -> dict[str, dict[str, str]]:
    """Host → id → name, of the runs that it has left or still has."""
    found: dict[str, dict[str, str]] = {}
    for journal in undelivered(lambda line: None):
        if journal.host and ended not in (journal.host, journal.run_id):
            found.setdefault(journal.host, {})[journal.run_id] = journal.name
    for run in running() if is_there(mlflow.get_tracking_uri()) else ():
        host = run.data.tags.get(HOST, "")
        if host and not is_of_this_machine(run.data.tags) and not is_dead(run, ended):
            found.setdefault(host, {})[run.info.run_id] = str(run.info.run_name)
    return found
