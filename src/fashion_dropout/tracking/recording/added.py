"""Files that are added to a run that has ended."""

from __future__ import annotations

from pathlib import Path

import mlflow

from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.timeouts import FILES_SECONDS


@asks_mlflow(seconds=FILES_SECONDS)
def add_files(run_id: str, folder: Path) -> None:
    """Store the files of a folder as artifacts of a run; those of the same name are replaced."""
    mlflow.MlflowClient().log_artifacts(run_id, str(folder))
