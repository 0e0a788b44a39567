"""The runs of studies themselves, and the run that was begun last."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import mlflow
from mlflow.entities import Run

from fashion_dropout.config.toml import suggestion
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.tracking.reading.queries import get_run
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.connect import store_name
from fashion_dropout.tracking.store.search import find_runs, having

LATEST = "latest"
"""What a user may write for the study that was begun last."""

_RUN_ID = re.compile("[0-9a-f]{32}")


def named_study(named: str, say: Callable[[str], object]) -> str:
    """The id of the run of the study that a user names; who takes a study takes all these names.

    Args:
        named: `LATEST`, the name of a study, its key, or the id of its own run. Of several studies
            or runs of one name, the newest that has finished is meant.
        say: Told which one is meant, if the name leaves that open.

    Raises:
        UsageError: There is no such study.
    """
    if _RUN_ID.fullmatch(named):
        return str(study_run(named).info.run_id)
    known = all_studies()
    found = known[:1] if named == LATEST else [run for run in known if named in names_of(run)]
    if not found:
        names = dict.fromkeys(name for run in known for name in names_of(run))
        hint = "; there is none yet: run `fashion-dropout compare` first"
        if known:
            listed = "; `fashion-dropout studies` lists them"
            hint = suggestion(named, [LATEST, *names]) or listed
        raise UsageError(
            f"expected a study in {store_name(mlflow.get_tracking_uri())} ({LATEST}, its name, or "
            f"the id of its own run), received {brief(named)}{hint}"
        )
    chosen = next((run for run in found if is_complete(run)), found[0])
    which = f"{chosen.data.tags[tags.STUDY]}, run {chosen.info.run_id}"
    if named == LATEST:
        say(f"{LATEST} is {which}")
    elif len(found) > 1:
        kind = "newest finished" if is_complete(chosen) else "newest, as none has finished"
        say(f"{len(found)} runs of studies are called {named}; taken is the {kind}: {which}")
    return str(chosen.info.run_id)


def names_of(run: Run) -> tuple[str, str]:
    """The name and the key of a study, from its own run."""
    key = run.data.tags[tags.STUDY]
    return key.rpartition("-")[0], key


def is_complete(run: Run) -> bool:
    """Whether a study's own run has ended with a finished run for each of its cells."""
    return run.info.status == "FINISHED" and not run.data.tags.get(tags.MISSING)


@asks_mlflow()
def all_studies() -> list[Run]:
    """The runs of all studies, in any experiment; the one that was begun last is the first."""
    found = find_runs(having({tags.ROLE: tags.STUDY_RUN}), newest_first=True)
    return [run for run in found if tags.STUDY in run.data.tags]


def study_run(run_id: str) -> Run:
    """The run of a study itself.

    Raises:
        UsageError: There is no such run, or it is not the run of a study.
    """
    run = get_run(run_id)
    role = run.data.tags.get(tags.ROLE, "none")
    if role != tags.STUDY_RUN:
        raise UsageError(
            f"expected the run of a study, received {run_id} with the role {role!r}; `compare` "
            "prints the id at its end"
        )
    return run


@asks_mlflow()
def newest_study() -> Run | None:
    """The run of the study that was begun last, in any experiment; None without one."""
    return _newest(having({tags.ROLE: tags.STUDY_RUN}))


@asks_mlflow()
def newest_run() -> Run:
    """The training run that was begun last, in any experiment.

    Raises:
        UsageError: There is none in the store.
    """
    found = _newest(having({tags.ROLE: tags.RUN}))
    if found is None:
        raise UsageError(
            f"expected a study or a run in {store_name(mlflow.get_tracking_uri())}, received "
            "none; run `fashion-dropout compare` first, or set MLFLOW_TRACKING_URI"
        )
    return found


@asks_mlflow()
def first_study_run(study: str, experiment_id: str) -> Run | None:
    """The run in which a study was declared first; None if there is none."""
    runs = having({tags.STUDY: study, tags.ROLE: tags.STUDY_RUN})
    return next(iter(find_runs(runs, experiment_id, most=1)), None)


@asks_mlflow()
def earlier_study_run(name: str, study: str, experiment_id: str, before: int) -> Run | None:
    """The last run of a study of this name that has another key, and that began before the time
    `before`, in milliseconds since 1970.
    """
    key = f"{name}-{'_' * 12}"  # 12 characters: the name of another study may begin alike
    others = f"tags.{tags.STUDY} LIKE '{key}' and tags.{tags.STUDY} != '{study}'"
    begun = f"attributes.start_time < {before}"
    return _newest(having({tags.ROLE: tags.STUDY_RUN}, others, begun), experiment_id)


@asks_mlflow()
def interrupted_study(study: str, experiment_id: str, whose: Mapping[str, str]) -> str | None:
    """The id of the newest run of a study that was begun and killed; None if there is none. It has
    the tags `whose`, as two machines must not take up the same one.
    """
    wanted = {tags.STUDY: study, tags.ROLE: tags.STUDY_RUN, tags.FRESH: "False", **whose}
    found = _newest(having(wanted, "attributes.status = 'KILLED'"), experiment_id)
    return str(found.info.run_id) if found else None


@asks_mlflow()
def concluded_beside(run_id: str) -> tuple[str, list[Run]]:
    """The verdict of a study's own run, empty if the store does not have it yet; and the other runs
    of the same study that have one and ended after this one began, or go on: other programs have
    concluded it, too.
    """
    own = mlflow.get_run(run_id)
    wanted = {
        tags.STUDY: own.data.tags[tags.STUDY],
        tags.ROLE: tags.STUDY_RUN,
        tags.FRESH: "False",
    }
    found = find_runs(having(wanted), own.info.experiment_id)
    others = [
        run
        for run in found
        if run.info.run_id != run_id
        and tags.VERDICT in run.data.tags
        and (run.info.end_time is None or run.info.end_time >= own.info.start_time)
    ]
    return own.data.tags.get(tags.VERDICT, ""), others


def _newest(runs: str, experiment_id: str | None = None) -> Run | None:
    return next(iter(find_runs(runs, experiment_id, newest_first=True, most=1)), None)
