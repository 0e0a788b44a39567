"""The runs of studies themselves, and the run that was begun last."""

from __future__ import annotations

import mlflow
from mlflow.entities import Run

from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.reading.queries import get_run
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.connect import store_name


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
    return _newest(tags.STUDY_RUN)


@asks_mlflow()
def newest_run() -> Run:
    """The training run that was begun last, in any experiment.

    Raises:
        UsageError: There is none in the store.
    """
    found = _newest(tags.RUN)
    if found is None:
        raise UsageError(
            f"expected a study or a run in {store_name(mlflow.get_tracking_uri())}, received "
            "none; run `fashion-dropout compare` first, or set MLFLOW_TRACKING_URI"
        )
    return found


@asks_mlflow()
def first_study_run(study: str, experiment_id: str) -> Run | None:
    """The run in which a study was declared first; None if there is none."""
    return _one(
        [experiment_id], f"tags.{tags.STUDY} = '{study}' and tags.{tags.ROLE} = '{tags.STUDY_RUN}'"
    )


@asks_mlflow()
def earlier_study_run(name: str, study: str, experiment_id: str, before: int) -> Run | None:
    """The last run of a study of this name that was declared otherwise.

    Args:
        name: The name of the study.
        study: The key that is not wanted.
        experiment_id: The experiment of the study's run.
        before: It began before this, in milliseconds since 1970.
    """
    return _one(
        [experiment_id],
        f"tags.{tags.STUDY} LIKE '{name}-%' and tags.{tags.STUDY} != '{study}' and "
        f"tags.{tags.ROLE} = '{tags.STUDY_RUN}' and attributes.start_time < {before}",
        order="DESC",
    )


@asks_mlflow()
def interrupted_study(study: str, experiment_id: str) -> str | None:
    """The id of the newest run of a study that was begun and killed; None if there is none.

    Args:
        study: The study's key.
        experiment_id: The experiment of its runs.
    """
    found = _one(
        [experiment_id],
        f"tags.{tags.STUDY} = '{study}' and tags.{tags.ROLE} = '{tags.STUDY_RUN}' "
        f"and tags.`{tags.FRESH}` = 'False' and attributes.status = 'KILLED'",
        order="DESC",
    )
    return str(found.info.run_id) if found else None


def _newest(role: str) -> Run | None:
    return _one(None, f"tags.{tags.ROLE} = '{role}'", order="DESC")


def _one(experiments: list[str] | None, runs: str, order: str = "ASC") -> Run | None:
    """The first run in the order of their starts; of all experiments if None are given."""
    found = mlflow.search_runs(
        experiments,
        runs,
        order_by=[f"attributes.start_time {order}"],
        max_results=1,
        search_all_experiments=experiments is None,
        output_format="list",
    )
    return found[0] if found else None
