"""The pages of MLflow's UI on which the runs of a study are compared."""

from __future__ import annotations

from collections.abc import Collection

from fashion_dropout.config.study import Study
from fashion_dropout.tracking.pages import views
from fashion_dropout.tracking.pages.prepared import prepared
from fashion_dropout.tracking.reading import queries


def prepare_charts(
    study: Study, experiment_id: str, runs: Collection[str] | None = None
) -> tuple[dict[str, str], str | None]:
    """Let MLflow's chart page open on a study's regimes; once more changes nothing.

    `runs` are the ids of the runs that the study compares; None while it is not known.

    Returns:
        Name of each page → its path in MLflow's UI; and a warning if the store has refused.
    """
    finished = views.finished_runs_of(study.key)
    if runs is not None and queries.run_ids(experiment_id, finished) == {*runs}:
        runs = None  # what MLflow's search bar then shows can be read
    differing = dict.fromkeys(name for regime in study.regimes.values() for name in regime)
    both = views.of_study(study.key, study.decision.primary, list(differing), runs)
    return prepared(experiment_id, both, finished)
