"""The learning curves of a study's runs, read back from MLflow."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd

from fashion_dropout.files import read_file
from fashion_dropout.tracking import queries

_LARGEST_TABLE = 2**28  # bytes: a million epochs
_CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")


def read_curves(runs: pd.DataFrame) -> pd.DataFrame:
    """The learning curves of runs.

    Args:
        runs: A row a run, with the columns run_id, artifact_uri, regime and seed.

    Returns:
        A row an epoch of a run, with the columns regime, seed, epoch and one for each curve.
    """
    columns = ["regime", "seed", "epoch", *_CURVES]
    tables = [_history(*run) for run in zip(runs["run_id"], runs["artifact_uri"], strict=True)]
    if not tables:
        return pd.DataFrame(columns=columns)
    epochs = [len(table) for table in tables]
    of_runs = {name: np.repeat(runs[name].to_numpy(), epochs) for name in ("regime", "seed")}
    return pd.concat(tables).assign(**of_runs)[columns]


def _history(run_id: str, artifact_uri: str) -> pd.DataFrame:
    """The learning curves of a run: its table of them, else, slower, metric by metric."""
    with queries.artifact(artifact_uri, "history.csv") as path:
        if path is not None:
            content = BytesIO(read_file(path, _LARGEST_TABLE))
            return pd.read_csv(content, usecols=["epoch", *_CURVES])
    curves = {metric: queries.history(run_id, metric) for metric in _CURVES}
    return pd.DataFrame(curves).rename_axis("epoch").reset_index()
