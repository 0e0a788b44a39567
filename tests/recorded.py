"""Finished studies that were recorded but never trained: made-up numbers in a real store.

For tests and benchmarks of what comes after training.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag

from fashion_dropout import provenance
from fashion_dropout.config.cell import Cell
from fashion_dropout.config.metrics import COMPARED, of_pairs
from fashion_dropout.config.study import Study
from fashion_dropout.studies.cells import TAKEN_OVER_FILE
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect

OF_RUNS = tuple(name for name in COMPARED if not of_pairs(name))
"""The metrics of a single run."""


def record_study(
    study: Study,
    *,
    predictions: int = 0,
    taken_over: Mapping[str, str] | None = None,
    dataset_sha256: str = tags.DATASET_SHA256,
) -> str:
    """Write every cell of a study, and the study's own run, into the store that MLflow uses.

    Args:
        study: As declared.
        predictions: For how many made-up test images each run has predictions; 0 for none.
        taken_over: Cell → the run that the study takes over instead of one of its own.
        dataset_sha256: What each run records as the digest of its dataset. `compare` takes only
            runs on the same dataset for finished.

    Returns:
        The id of the study's own run.
    """
    connect()
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name("fashion-mnist-dropout")
    experiment = found.experiment_id if found else client.create_experiment("fashion-mnist-dropout")
    rng = np.random.default_rng(0)
    run = client.create_run(experiment, run_name=f"study-{study.name}")
    taken_over = taken_over or {}
    for cell in study.cells():
        if cell.name not in taken_over:
            _record_cell(client, experiment, cell, rng, predictions, dataset_sha256)
    run_id = str(run.info.run_id)
    client.log_text(run_id, json.dumps(study.recorded()), "study.json")
    if taken_over:
        client.log_text(run_id, json.dumps(dict(taken_over)), TAKEN_OVER_FILE)
    for name, value in {
        tags.ROLE: tags.STUDY_RUN,
        tags.STUDY: study.key,
        tags.SESSION: "made up",
        tags.FRESH: False,
        tags.TRAINING_CODE: provenance.training_code_sha256(),
        tags.QUESTION: study.question,
        tags.QUESTION_JA: study.question_ja,
    }.items():
        client.set_tag(run_id, name, value)
    client.set_terminated(run_id)
    return run_id


def _record_cell(
    client: mlflow.MlflowClient,
    experiment: str,
    cell: Cell,
    rng: np.random.Generator,
    predictions: int,
    dataset_sha256: str,
) -> None:
    run_id = client.create_run(experiment, run_name=cell.name).info.run_id
    epochs = cell.config.epochs
    values = rng.normal(0.3 - 0.1 * cell.config.dropout, 0.05, (epochs, len(OF_RUNS)))
    # Training losses that fall from about 1, so that the runs of a pair have a common range.
    falling = 1 / np.arange(1, epochs + 1)
    values[:, list(OF_RUNS).index("train/loss")] = falling * rng.uniform(0.9, 1.0)
    now = int(time.time() * 1000)
    metrics = [
        Metric(name, value, now, epoch)
        for epoch, row in enumerate(values, start=1)
        for name, value in zip(OF_RUNS, row, strict=True)
    ]
    recorded = {
        tags.ROLE: tags.RUN,
        tags.STUDY: cell.study,
        tags.CELL: cell.name,
        tags.REGIME: cell.regime,
        tags.SEED: str(cell.config.seed),
        **{tag: f"{tag} of {cell.config.seed_of(source)}" for source, tag in tags.SOURCES.items()},
        tags.DATASET_SHA256: dataset_sha256,
        tags.TRAINING_CODE: provenance.training_code_sha256(),
    }
    params = [Param(name, str(value)) for name, value in cell.config.model_dump().items()]
    client.log_batch(run_id, metrics, params, [RunTag(*tag) for tag in recorded.items()])
    with TemporaryDirectory() as folder:
        history = pd.DataFrame(values, columns=list(OF_RUNS))
        history.insert(0, "epoch", range(1, epochs + 1))
        history.to_csv(Path(folder) / "history.csv", index=False)
        if predictions:
            np.savez_compressed(
                Path(folder) / "predictions.npz",
                probabilities=rng.dirichlet(np.full(10, 0.2), predictions).astype(np.float32),
                labels=np.arange(predictions, dtype=np.uint8) % 10,
                validation_probabilities=rng.dirichlet(np.full(10, 0.2), 100).astype(np.float32),
                validation_labels=np.arange(100, dtype=np.uint8) % 10,
            )
        client.log_artifacts(run_id, folder)
    client.log_outputs(run_id, [LoggedModelOutput(f"m-{run_id}", epochs)])  # no model is behind it
    client.set_terminated(run_id)
