"""The learning curves of runs, from their files; thousands of them are parsed as one."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from multiprocessing.pool import ThreadPool

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from fashion_dropout.files import read_file
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store.places import local_folder

_AT_ONCE = 8
_LARGEST_TABLE = 2**28  # bytes: a million epochs
_CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
_COLUMNS = ("epoch", *_CURVES)


def read_curves(runs: pd.DataFrame) -> pd.DataFrame:
    """The learning curves of finished runs.

    Args:
        runs: A row a run, with the columns run_id, artifact_uri, regime, seed and last_epoch.

    Returns:
        A row for each run and epoch, with the columns regime, seed, epoch and the curves. A lost
        epoch is not a number, so that nobody takes the curve for one that ended there.
    """
    files = _files(list(runs["artifact_uri"]))
    tables = _parsed(files)
    known = {place for table in tables for place in table["place"].unique()}
    for place in set(range(len(files))) - known:
        alone = _parsed([files[place]]) or [_from_metrics(runs["run_id"].iloc[place])]
        tables.append(alone[0].assign(place=place))
    if not tables:
        return pd.DataFrame(columns=["regime", "seed", *_COLUMNS])
    epochs = runs["last_epoch"].astype(int).to_numpy()
    places = np.repeat(np.arange(len(runs)), epochs)
    every = pd.MultiIndex.from_arrays(
        [places, np.concatenate([np.arange(1, last + 1) for last in epochs])],
        names=["place", "epoch"],
    )
    curves = pd.concat(tables).set_index(["place", "epoch"]).reindex(every).reset_index()
    of_runs = {name: runs[name].to_numpy()[places] for name in ("regime", "seed")}
    return curves.assign(**of_runs)[["regime", "seed", *_COLUMNS]]


def _files(artifact_uris: list[str]) -> list[bytes | None]:
    """What runs have recorded as their curves, some at once where a server has them."""
    if all(map(local_folder, artifact_uris)):
        return list(map(_file, artifact_uris))
    with ThreadPool(_AT_ONCE) as pool:
        return list(pool.imap(_file, artifact_uris))


def _file(artifact_uri: str) -> bytes | None:
    """What a run has recorded as its curves; None if it has not."""
    with queries.artifact(artifact_uri, "history.csv") as path:
        return None if path is None else read_file(path, _LARGEST_TABLE)


def _parsed(files: list[bytes | None]) -> list[pd.DataFrame]:
    """Those that are alike parsed as one table, with the place of each in the list; a file that
    is not whole is in none.
    """
    alike: dict[bytes, dict[int, bytes]] = {}
    for place, content in enumerate(files):
        header, _, lines = (content or b"").partition(b"\n")
        if lines.endswith(b"\n"):
            alike.setdefault(header, {})[place] = lines
    tables = []
    for header, of_runs in alike.items():
        with suppress(ValueError):  # one of them is damaged
            whole = BytesIO(b"\n".join([header, b"".join(of_runs.values())]))
            table = pd.read_csv(whole, usecols=list(_COLUMNS))
            rows = [lines.count(b"\n") for lines in of_runs.values()]
            if sum(rows) == len(table) and all(map(is_numeric_dtype, table.dtypes)):
                tables.append(table.assign(place=np.repeat(list(of_runs), rows)))
    return tables


def _from_metrics(run_id: str) -> pd.DataFrame:
    """The curves of one run metric by metric, which is slower."""
    curves = {metric: queries.history(run_id, metric) for metric in _CURVES}
    return pd.DataFrame(curves).rename_axis("epoch").reset_index()
