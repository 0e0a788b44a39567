"""What processes have left behind: undelivered journals, and runs that still say RUNNING."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mlflow
import requests
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fashion_dropout.errors import TrackingError
from fashion_dropout.texts import Count
from fashion_dropout.tracking.recording.delivery import deliver_all, is_refusal
from fashion_dropout.tracking.recording.outbox import HeldError, Journal, has_journal, journals
from fashion_dropout.tracking.recording.processes import HOST, has_died, is_of_this_machine
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import REFUSED, asks_mlflow, one_line, short_timeouts
from fashion_dropout.tracking.store.connect import ask_for_models, examine, is_there, store_name
from fashion_dropout.tracking.store.search import find_runs, having
from fashion_dropout.tracking.store.secrets import are_given
from fashion_dropout.tracking.store.timeouts import QUESTION_SECONDS, bounded

WHY = "its process has ended without saying so, as after kill -9 or a power cut"
_HIDDEN = "***"


@dataclass(frozen=True)
class Undelivered:
    """What a run has recorded and its store does not have.

    Attributes:
        store: Its store, without a password.
        entries: How many entries wait.
        host: The machine that recorded them; empty for this one.
    """

    run_id: str
    name: str
    store: str
    entries: int
    host: str


def undelivered(say: Callable[[str], None]) -> list[Undelivered]:
    """The journals that no living process works on, of all stores; nothing is delivered. `say` is
    as for `left_behind`.
    """
    found = []
    for journal in left_behind(say):
        about, count = journal.about, journal.undelivered
        host = "" if is_of_this_machine(about) else about.get(HOST, "")
        found.append(Undelivered(journal.folder.name, about["name"], about["store"], count, host))
        journal.close(remove=False)
    return found


def left_behind(say: Callable[[str], None]) -> Iterator[Journal]:
    """Every journal that no living process holds, each open for the caller. Of one that cannot be
    opened, `say` is told why.
    """
    folder = journals()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if has_journal(path.name):
            try:
                journal = Journal(path)
            except HeldError:
                continue
            except TrackingError as error:
                if has_journal(path.name):  # else its run has ended meanwhile
                    say(str(error))
                continue
            yield journal


@asks_mlflow()
def running() -> list[Run]:
    """All runs of this program that say RUNNING in the store that MLflow uses."""
    found: list[Run] = []
    for role in (tags.RUN, tags.STUDY_RUN, tags.PROMOTION):
        wanted = having({tags.ROLE: role}, "attributes.status = 'RUNNING'")
        found += find_runs(wanted, newest_first=True)
    return found


def is_dead(run: Run, ended: str | None = None) -> bool:
    """Whether a run says RUNNING and its process was one of this machine, and is no more; `ended`
    is as for `tidy`.
    """
    named = ended == run.info.run_id and not is_of_this_machine(run.data.tags)
    return bool(run.info.status == "RUNNING" and (named or has_died(run.data.tags, ended)))


def tidy(say: Callable[[str], None], *, all_stores: bool = False, ended: str | None = None) -> int:
    """Deliver what dead processes have left, and mark the runs that they have left as KILLED.

    Args:
        say: Told what was done.
        all_stores: Deliver to the other stores, too, whose journals are on this disk.
        ended: What cannot be seen from here and has ended, as the user says: the name of another
            machine, which may be this one's earlier name, or the id of a run.

    Returns:
        How many journals are still undelivered.
    """
    own, waiting, silent = store_name(mlflow.get_tracking_uri()), 0, set[str]()
    unreadable: list[str] = []
    for journal in left_behind(unreadable.append):
        wanted = _is_left(journal, ended) and (all_stores or _store_of(journal) == own)
        done = _deliver(journal, own, silent, say) if wanted else None
        journal.close(remove=bool(done))
        waiting += done is False
    for run in running() if is_there(mlflow.get_tracking_uri()) else ():
        if is_dead(run, ended) and not has_journal(run.info.run_id):
            mark_and_say(run, WHY, say)
    for line in unreadable:
        say(line)
    return waiting + len(unreadable)


def _is_left(journal: Journal, ended: str | None) -> bool:
    # Where several machines share the folder, one cannot see whether a process of another lives.
    named = ended is not None and ended in (journal.about.get(HOST), journal.folder.name)
    return named or is_of_this_machine(journal.about)


def _store_of(journal: Journal) -> str:
    return store_name(journal.about["store"])  # 0.1.0 did not encode it


def _deliver(
    journal: Journal, own: str, silent: set[str], say: Callable[[str], None]
) -> bool | None:
    """Whether a journal could be delivered; None if the store is gone, or does not have the run any
    more. The run is KILLED if its process has not said how it has ended.

    A store that need not be asked for the other journals is added to the silent ones. One that does
    not take what this one has sent is none of them.
    """
    run, store = f"{journal.about['name']}, run {journal.folder.name}", _store_of(journal)
    if not is_there(store):
        say(f"{run}: its store {store} is gone; if it is gone for good, remove {journal.folder}")
        return None
    if store in silent:
        return False
    if store != own and (_HIDDEN in store or (store.startswith("http") and are_given())):
        say(f"{run}: set MLFLOW_TRACKING_URI to its store {store}, and type this again")
        silent.add(store)
        return False
    ended = journal.ended
    uri = mlflow.get_tracking_uri() if store == own else store
    try:
        with short_timeouts():
            bounded(lambda: examine(uri), QUESTION_SECONDS)
            client = mlflow.MlflowClient(uri)
            if gone := _gone(client, journal.folder.name):
                say(f"{run}: {store} {gone}; if it is not wanted, remove {journal.folder}")
                return None
            bounded(lambda: ask_for_models(client, uri), QUESTION_SECONDS)
            if not ended:
                journal.write("tags", tags={tags.ERROR: WHY})
                journal.write("end", status="KILLED")
            entries = deliver_all(client, journal)
    except (TrackingError, OSError, *REFUSED) as error:
        if not isinstance(error.__cause__, requests.HTTPError):
            silent.add(store)
        say(
            f"{run}: {Count(journal.undelivered):entry waits|entries wait} for {store}: "
            f"{one_line(error)}"
        )
        return False
    refused = f"; {journal.refusal}" if journal.refusal else ""
    say(
        f"delivered {run}: {Count(entries):entry|entries}{refused}"
        if ended
        else f"marked {run}, as KILLED: {WHY}; {Count(entries - 2):entry|entries} delivered"
        f"{refused}"
    )
    return True


@asks_mlflow()
def _gone(client: mlflow.MlflowClient, run_id: str) -> str:
    """Why a store cannot take what a run has recorded; empty if it can."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return "does not have this run, as if it was replaced by another store"
        raise
    if run.info.lifecycle_stage != "active":
        return "has it as deleted, and `mlflow runs restore` would bring it back"
    return ""


def mark_and_say(run: Run, why: str, say: Callable[[str], None]) -> None:
    """End a run as KILLED; somebody else's, where this user may not record, is only named."""
    named = f"{run.info.run_name}, run {run.info.run_id}"
    try:
        mark(run, why)
    except TrackingError as error:
        if error.__cause__ is None or not is_refusal(error.__cause__):
            raise
        say(f"{named}, could not be marked as KILLED: {one_line(error)}")
    else:
        say(f"marked {named}, as KILLED: {why}")


@asks_mlflow()
def mark(run: Run, why: str) -> None:
    """End a run as KILLED, and say why."""
    client = mlflow.MlflowClient()
    client.set_tag(run.info.run_id, tags.ERROR, why)
    client.set_terminated(run.info.run_id, "KILLED")
