"""Runs of a study, from MLflow into a table, and the images that they were given."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import requests
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from fashion_dropout.config.values import plain
from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow, if_there
from fashion_dropout.tracking.store.connect import store_name
from fashion_dropout.tracking.store.finished import last_epoch, missing_parts
from fashion_dropout.tracking.store.places import local_folder
from fashion_dropout.tracking.store.search import find_runs, having, with_models
from fashion_dropout.tracking.store.timeouts import FILES_SECONDS

_COLUMNS = [
    "run_id", "begun", "artifact_uri", "regime", "seed", "split_seed", "state", "reason",
    "session", "last_epoch", *tags.SAME_PAIR, *tags.PROVENANCE, tags.TRAINING_CODE, "threads",
]  # fmt: skip
_IDS_AT_ONCE = 500
INCOMPLETE = "INCOMPLETE"
"""The state of a run that says FINISHED and is not: see `finished.missing_parts`."""


@asks_mlflow()
def get_run(run_id: str) -> Run:
    """One run.

    Raises:
        UsageError: There is none of that id in the store.
    """
    if run := if_there(lambda: mlflow.get_run(run_id)):
        return run
    store = store_name(mlflow.get_tracking_uri())
    raise UsageError(f"expected the id of a run in {store}, received {run_id!r}")


@asks_mlflow(seconds=FILES_SECONDS)  # some thousand runs
def differing_parameters(experiment_id: str, runs: str) -> list[str]:
    """The parameters in which runs of an experiment differ, but for the seed; which runs, in
    MLflow's search language.
    """
    values: dict[str, set[str]] = {}
    for run in find_runs(runs, experiment_id, newest_first=True):
        for name, value in run.data.params.items():
            values.setdefault(name, set()).add(plain(value))
    return [name for name, seen in values.items() if name != "seed" and len(seen) > 1]


@asks_mlflow(seconds=FILES_SECONDS)  # some thousand runs
def run_ids(experiment_id: str, runs: str) -> set[str]:
    """The ids of runs of an experiment; which ones, in MLflow's search language."""
    return {run.info.run_id for run in find_runs(runs, experiment_id)}


@asks_mlflow(seconds=FILES_SECONDS)  # some thousand runs
def finished_runs(
    experiment_id: str, dataset_sha256: str, wanted: Callable[[Run], bool] = lambda _: True
) -> list[Run]:
    """The wanted training runs on a dataset that have finished with all parts, the newest last."""
    trained = {tags.ROLE: tags.RUN, tags.DATASET_SHA256: dataset_sha256}
    found = find_runs(having(trained, "attributes.status = 'FINISHED'"), experiment_id)
    return [run for run in with_models(filter(wanted, found)) if not missing_parts(run)]


@asks_mlflow(seconds=FILES_SECONDS)  # some thousand runs
def study_runs(
    study: str,
    experiment_id: str,
    *,
    session: str | None = None,
    until: int | None = None,
    also: Collection[str] = (),
    crossed: bool = False,
    code: str | None = None,
) -> pd.DataFrame:
    """The newest run of each cell of a study, a finished one where there is one.

    Args:
        study: The study's key, as the tag ``study`` of its runs has it.
        experiment_id: The experiment of its runs.
        session: Only runs of this call of ``compare``; None for all.
        until: Only runs that began before this, in milliseconds since 1970; None for all.
        also: Ids of more runs, which the study has taken over.
        crossed: Whether the study has several splits, so that a cell is of one of them.
        code: The digest of the training code whose runs go before those of other code; None for
            none.

    Returns:
        A row a run, with the columns run_id, begun, artifact_uri, regime, seed, split_seed (text),
        state, reason, session, last_epoch, `tags.SAME_PAIR`, `tags.PROVENANCE`,
        `tags.TRAINING_CODE`, threads, and one for each metric; sorted by regime, seed and split.
        The state is MLflow's status, or `INCOMPLETE` for FINISHED with a part missing.
    """
    wanted = {tags.STUDY: study, tags.ROLE: tags.RUN}
    if session is not None:
        wanted[tags.SESSION] = session
    begun = [] if until is None else [f"attributes.start_time <= {until}"]
    ids, runs = list(also), list[Run]()
    for first in range(0, len(ids), _IDS_AT_ONCE):
        listed = ", ".join(f"'{run_id}'" for run_id in ids[first : first + _IDS_AT_ONCE])
        runs += find_runs(f"attributes.run_id IN ({listed})", experiment_id)
    runs += find_runs(having(wanted, *begun), experiment_id)
    table = pd.DataFrame([_row(run) for run in with_models(runs)])
    if table.empty:
        return pd.DataFrame(columns=_COLUMNS)
    ranks = ["state", tags.TRAINING_CODE]  # the last row of a cell is kept
    table = table.sort_values(ranks, key=lambda of: of.isin(["FINISHED", code]), kind="stable")
    cell = ["regime", "seed", *(["split_seed"] if crossed else [])]
    newest = table.drop_duplicates(cell, keep="last")
    return newest.sort_values(cell, ignore_index=True)


@asks_mlflow()
def end_abandoned_runs(
    tag: str, value: str, experiment_id: str, known: Collection[str]
) -> list[str]:
    """Mark as KILLED what the workers of a study left RUNNING when they were killed.

    They are the runs with a tag of this value, ``study.session`` or ``study.run``, but for the
    known ones, which still go on. Their ids are returned.
    """
    client = mlflow.MlflowClient()
    wanted = having({tag: value, tags.ROLE: tags.RUN}, "attributes.status = 'RUNNING'")
    abandoned = find_runs(wanted, experiment_id, newest_first=True)
    marked = [run.info.run_id for run in abandoned if run.info.run_id not in known]
    for run_id in marked:
        client.set_tag(run_id, tags.ERROR, "its worker was stopped")
        client.set_terminated(run_id, "KILLED")
    return marked


@asks_mlflow()
def experiment_name(experiment_id: str) -> str:
    """The name of an experiment."""
    return str(mlflow.get_experiment(experiment_id).name)


@asks_mlflow()
def history(run_id: str, metric: str) -> dict[int, float]:
    """Step → value of one metric of a run."""
    return {
        entry.step: entry.value
        for entry in mlflow.MlflowClient().get_metric_history(run_id, metric)
    }


def image_counts(run: Run) -> dict[str, int]:
    """``training``, ``validation``, ``test`` → the number of images that the run was given."""
    counts = {}
    for given in run.inputs.dataset_inputs:
        context = {tag.key: tag.value for tag in given.tags}[MLFLOW_DATASET_CONTEXT]
        counts[context] = int(json.loads(given.dataset.profile)["features_shape"][0])
    return counts


@contextmanager
def artifact(artifact_uri: str, name: str) -> Iterator[Path | None]:
    """One artifact as a file to read inside the block; None if there is none.

    A file whose absolute place on this machine is known is not copied. Any other is fetched, and
    gone when the block ends. The run is given by its artifact URI: from its id, MLflow would ask
    the store for this URI three times.
    """
    if local_folder(artifact_uri):
        path = Path(local_file_uri_to_path(artifact_uri), name)
        yield path if os.access(path, os.F_OK) else None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as copies:
        yield _fetched(artifact_uri, name, copies)


@asks_mlflow(seconds=FILES_SECONDS)
def _fetched(artifact_uri: str, name: str, folder: str) -> Path | None:
    """A copy of one artifact in a folder; None if there is none."""
    try:
        uri = f"{artifact_uri}/{name}"
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError):
        raise  # that it does not answer does not mean that it has none
    except (MlflowException, OSError):  # MLflow says no otherwise that there is none
        files = mlflow.artifacts.list_artifacts(artifact_uri=artifact_uri)
        if any(file.path.rpartition("/")[2] == name for file in files):
            raise
        return None


def _row(run: Run) -> dict[str, Any]:
    recorded, state = run.data.tags, run.info.status
    reason = recorded.get(tags.ERROR, "") if state != "FINISHED" else ""  # it was taken for dead
    if state == "FINISHED" and (missing := missing_parts(run)):
        state, reason = INCOMPLETE, f"ended as FINISHED without {', '.join(missing)}"
    return {
        "run_id": run.info.run_id,
        "begun": run.info.start_time,
        "artifact_uri": run.info.artifact_uri,
        "regime": recorded[tags.REGIME],
        "seed": int(recorded[tags.SEED]),
        # A run has its tags from the first moment; its parameters come later, or never.
        "split_seed": recorded.get(tags.seed_of("split"))
        or plain(run.data.params.get("split_seed", "")),
        "state": state,
        "reason": reason,
        "session": recorded.get(tags.SESSION, ""),
        "last_epoch": last_epoch(run),
        **{
            name: recorded.get(name, "")
            for name in (*tags.SAME_PAIR, *tags.PROVENANCE, tags.TRAINING_CODE)
        },
        "threads": plain(run.data.params.get("threads", "")),
        **run.data.metrics,
    }
