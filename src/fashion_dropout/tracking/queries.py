"""Runs of a study, from MLflow into a table."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fashion_dropout.errors import UsageError
from fashion_dropout.tracking import tags
from fashion_dropout.tracking.patience import answered
from fashion_dropout.tracking.store import store_name

_COLUMNS = [
    "run_id", "artifact_uri", "regime", "seed", "state", "reason", "session",
    *tags.SAME_PAIR, *tags.PROVENANCE, "threads",
]  # fmt: skip
_PAGE = 50_000
INCOMPLETE = "INCOMPLETE"
"""The state of a run that says FINISHED and is not: see `missing_parts`."""


@answered
def get_run(run_id: str) -> Run:
    """One run.

    Raises:
        UsageError: There is none of that id in the store.
    """
    try:
        return mlflow.get_run(run_id)
    except MlflowException as error:
        store = store_name(mlflow.get_tracking_uri())
        raise UsageError(f"expected the id of a run in {store}, received {run_id!r}") from error


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


@answered
def newest_study() -> Run:
    """The run of the study that was begun last, in any experiment.

    Raises:
        UsageError: There is none in the store.
    """
    found = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.{tags.ROLE} = '{tags.STUDY_RUN}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
        output_format="list",
    )
    if not found:
        store = store_name(mlflow.get_tracking_uri())
        raise UsageError(
            f"expected a study in {store}, received none; run `fashion-dropout compare` first, or "
            "set MLFLOW_TRACKING_URI"
        )
    return found[0]


@answered
def interrupted_study(study: str, experiment_id: str) -> str | None:
    """The id of the newest run of a study that was begun and killed; None if there is none.

    Args:
        study: The study's key.
        experiment_id: The experiment of its runs.
    """
    found = mlflow.search_runs(
        [experiment_id],
        f"tags.{tags.STUDY} = '{study}' and tags.{tags.ROLE} = '{tags.STUDY_RUN}' "
        f"and tags.`{tags.FRESH}` = 'False' and attributes.status = 'KILLED'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
        output_format="list",
    )
    return str(found[0].info.run_id) if found else None


@answered
def study_runs(
    study: str, experiment_id: str, *, session: str | None = None, until: int | None = None
) -> pd.DataFrame:
    """The newest run of each cell of a study, a finished one where there is one.

    Args:
        study: The study's key, as the tag ``study`` of its runs has it.
        experiment_id: The experiment of its runs.
        session: Only runs of this call of ``compare``; None for all.
        until: Only runs that began before this, in milliseconds since 1970; None for all.

    Returns:
        A row a run, with the columns run_id, artifact_uri, regime, seed, state, reason, session,
        `tags.SAME_PAIR`, `tags.PROVENANCE`, threads, and one for each metric; sorted by regime and
        seed. The state is MLflow's status, or `INCOMPLETE` for FINISHED with a part missing.
    """
    wanted = [f"tags.{tags.STUDY} = '{study}'", f"tags.{tags.ROLE} = '{tags.RUN}'"]
    if session is not None:
        wanted.append(f"tags.`{tags.SESSION}` = '{session}'")
    if until is not None:
        wanted.append(f"attributes.start_time <= {until}")
    runs = mlflow.search_runs(
        [experiment_id],
        " and ".join(wanted),
        max_results=_PAGE,
        order_by=["attributes.start_time ASC"],
        output_format="list",
    )
    table = pd.DataFrame([_row(run) for run in runs])
    if table.empty:
        return pd.DataFrame(columns=_COLUMNS)
    table["finished"] = table["state"] == "FINISHED"
    table = table.sort_values("finished", kind="stable").drop(columns="finished")
    newest = table.drop_duplicates(["regime", "seed"], keep="last")
    return newest.sort_values(["regime", "seed"], ignore_index=True)


def missing_parts(run: Run) -> list[str]:
    """What a training run has not recorded of what each finished one has, in words."""
    epochs = run.data.params.get("epochs")
    steps = {metric.key: metric.step for metric in run.data._metric_objs}
    parts = {
        f"epoch {epochs}": str(steps.get("val/loss")) == epochs,
        "test metrics": "test/accuracy" in steps,
        "a model": bool(run.outputs and run.outputs.model_outputs),
    }
    return [part for part, there in parts.items() if not there]


@answered
def end_abandoned_runs(session: str, experiment_id: str, known: Collection[str]) -> list[str]:
    """Mark as KILLED what the workers of a session left RUNNING when they were killed.

    Args:
        session: The tag ``study.session`` of its runs.
        experiment_id: The experiment of these runs.
        known: Ids of the runs that still go on.

    Returns:
        The ids of the runs that were marked.
    """
    client = mlflow.MlflowClient()
    abandoned = mlflow.search_runs(
        [experiment_id],
        f"tags.`{tags.SESSION}` = '{session}' and tags.{tags.ROLE} = '{tags.RUN}' "
        "and attributes.status = 'RUNNING'",
        output_format="list",
    )
    marked = [run.info.run_id for run in abandoned if run.info.run_id not in known]
    for run_id in marked:
        client.set_tag(run_id, tags.ERROR, "its worker was stopped")
        client.set_terminated(run_id, "KILLED")
    return marked


@answered
def history(run_id: str, metric: str) -> dict[int, float]:
    """Step → value of one metric of a run."""
    return {
        entry.step: entry.value
        for entry in mlflow.MlflowClient().get_metric_history(run_id, metric)
    }


@contextmanager
def artifact(artifact_uri: str, name: str) -> Iterator[Path | None]:
    """One artifact as a file that is gone when the block ends; None if there is none.

    Args:
        artifact_uri: The artifact URI of the run. From the run's id, MLflow would ask the store
            for this URI three times.
        name: The name of the artifact.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{artifact_uri}/{name}", dst_path=folder
            )
        except (MlflowException, OSError):
            yield None
            return
        yield Path(found)


def _row(run: Run) -> dict[str, Any]:
    recorded, state, reason = run.data.tags, run.info.status, run.data.tags.get(tags.ERROR, "")
    if state == "FINISHED" and (missing := missing_parts(run)):
        state, reason = INCOMPLETE, f"ended as FINISHED without {', '.join(missing)}"
    return {
        "run_id": run.info.run_id,
        "artifact_uri": run.info.artifact_uri,
        "regime": recorded[tags.REGIME],
        "seed": int(recorded[tags.SEED]),
        "state": state,
        "reason": reason,
        "session": recorded.get(tags.SESSION, ""),
        **{name: recorded.get(name, "") for name in (*tags.SAME_PAIR, *tags.PROVENANCE)},
        "threads": run.data.params.get("threads", ""),
        **run.data.metrics,
    }
