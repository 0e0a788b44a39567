"""The result of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashion_dropout.config import metrics
from fashion_dropout.config.training import TrainingConfig

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class RunSummary:
    """The result of a finished run: the epoch whose model is stored, and the metrics of that epoch
    and of the test.
    """

    run_id: str
    experiment_id: str
    selected_epoch: int
    metrics: dict[str, float]


def stored_epoch(config: TrainingConfig, recorded: Mapping[str, float]) -> int:
    """The epoch whose model a run stores, by its recorded metrics."""
    return int(recorded["best/epoch"]) if config.select == "best" else config.epochs


def summary_of(run: Run, config: TrainingConfig) -> RunSummary:
    """The result of a run that has finished before, as the store has it."""
    from fashion_dropout.tracking.reading import queries

    final = run.data.metrics
    epoch = stored_epoch(config, final)
    found = {name: value for name, value in final.items() if metrics.of(name).split == "test"}
    for name in final:
        if metrics.of(name).when == "epoch" and metrics.of(name).direction:
            found[name] = queries.history(run.info.run_id, name)[epoch]
    return RunSummary(run.info.run_id, run.info.experiment_id, epoch, found)
