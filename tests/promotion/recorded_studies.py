"""Two trained studies of generated images, and what tests of promotion do with their store."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distributed import LocalCluster
from mlflow import MlflowClient
from mlflow.entities import Run

from fashion_dropout.config.promotion import Policy
from fashion_dropout.promotion.promote import Outcome, promote_study
from fashion_dropout.studies.scheduler import Scheduler

MODEL = "fashion-mnist-cnn-synthetic"
GATE = """
largest_drift = 0
[floors]
accuracy = 0.1
calibration_error = 0.6
worst_class_recall = 0
[against_champion]
non_inferiority_margin = 0.005
smallest_improvement = 0.001
alpha = 0.05
mcnemar = "reported"
"""
POLICY = Policy.model_validate(tomllib.loads(GATE))


@dataclass(frozen=True)
class Studies:
    """Two finished studies in one store.

    Attributes:
        folder: Where the store is.
        weak: The id of the study of one epoch.
        strong: The id of the study of three epochs.
    """

    folder: Path
    weak: str
    strong: str


def promoted(study: str, policy: Policy = POLICY, **options: object) -> tuple[Outcome, str]:
    """Promote the candidate of a study; the outcome, and everything that was said before it."""
    said: list[str] = []
    outcome = promote_study(study, policy, said.append, **options)  # type: ignore[arg-type]
    return outcome, "\n".join(said)


def aliases(client: MlflowClient) -> dict[str, str]:
    """The aliases of `MODEL` and their versions."""
    found = client.get_registered_model(MODEL).aliases
    return {alias: str(number) for alias, number in found.items()}


def decisions(client: MlflowClient) -> Sequence[Run]:
    """The runs of all decisions, the newest first."""
    (experiment,) = client.search_experiments(filter_string="name = 'fashion-mnist-dropout'")
    return client.search_runs([experiment.experiment_id], "tags.role = 'promotion'")


@contextmanager
def scheduler_here() -> Iterator[Scheduler]:
    """The scheduler of one worker in this process, which need not import TensorFlow again."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield Scheduler(cluster.scheduler_address)
