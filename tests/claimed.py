"""Runs of a study's cell in a real store, as several programs would make them."""

from __future__ import annotations

import time
from dataclasses import replace

import mlflow
from mlflow.entities import LoggedModelOutput, Metric, Param

from fashion_dropout.config.cell import cell_name
from fashion_dropout.tracking.recording.claims import Claim
from fashion_dropout.tracking.recording.processes import HOST, this_process

EXPERIMENT = "0"
CLAIM = Claim(EXPERIMENT, "shared-0123456789ab", "none", "0", "code", "images", "mine")
FAR = {**this_process(), HOST: "far-host", "mlflow.user": "ann"}
EPOCHS = 2


def tags_of(claim: Claim) -> dict[str, str]:
    return {
        "role": "run",
        "study": claim.study,
        "regime": claim.regime,
        "seed": claim.seed,
        "study.session": claim.session,
        "code.training.sha256": claim.code,
        "dataset.sha256": claim.dataset,
        "study.cell": claim.cell or cell_name(claim.regime, int(claim.seed)),
    }


def begun(session: str = "theirs", of: Claim = CLAIM, **process: str) -> str:
    """A run that says RUNNING, of a process of another host unless told otherwise; its id."""
    tags = {**tags_of(replace(of, session=session)), **(process or FAR)}
    return str(mlflow.MlflowClient().create_run(EXPERIMENT, tags=tags).info.run_id)


def finish(run_id: str) -> None:
    """Give a run all that a finished one has."""
    client, now = mlflow.MlflowClient(), int(time.time() * 1000)
    metrics = [Metric(name, 0.5, now, EPOCHS) for name in ("val/loss", "test/accuracy")]
    client.log_batch(run_id, metrics, [Param("epochs", str(EPOCHS))])
    client.log_outputs(run_id, [LoggedModelOutput(f"m-{run_id}", EPOCHS)])
    client.set_terminated(run_id)


def status_of(run_id: str) -> str:
    return str(mlflow.get_run(run_id).info.status)
