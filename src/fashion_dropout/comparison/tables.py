"""A table of anybody's numbers: read, checked, and brought to one row a value."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_dropout.comparison import equal_fit
from fashion_dropout.config.values import as_meant
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, shortened, visible
from fashion_dropout.files import beginning_of, read_file, user_path
from fashion_dropout.texts import headings

COLUMNS = ("seed", "regime", "metric", "value")
"""Those that a tidy table has; ``epoch`` may be another."""

_LARGEST = 2**28  # bytes: about four million values
_PLACE = ["regime", "seed", "metric", "epoch"]
_MISSING = ("", "nan", "na", "null", "none")
_LONGEST_NAME = {"regime": 40, "metric": 100}  # regimes stand beside the lines of figures
_OF_MLFLOW = {"regime": ("tags.regime", "params.regime"), "seed": ("params.seed", "tags.seed")}
_NO_METRICS = ("run_id", "regime", "seed", "epoch")


@dataclass(frozen=True)
class Table:
    """Values of runs, each with its regime and seed.

    Attributes:
        rows: One row a value: ``regime`` and ``metric`` (text), ``seed`` (integer), ``value``
            (float64, NaN where there is none), ``epoch`` (float64, NaN of values at the end of a
            run), ``run_id`` (text, empty if it is not known). Each place at most once.
        source: What it was read from, for a person.
        sha256: Of the file; empty of a table that was in memory.
        left_out: Runs of an MLflow export that were not finished, or have no regime or seed.
    """

    rows: pd.DataFrame
    source: str = "table"
    sha256: str = ""
    left_out: int = 0


def read_table(
    source: str | Path | pd.DataFrame,
    *,
    seed_column: str | None = None,
    regime_column: str | None = None,
) -> Table:
    """Read and check a table of values.

    It is a tidy one, a row a value with the columns `COLUMNS` and perhaps ``epoch``; or the one
    that ``mlflow experiments csv`` writes, a row a run with ``run_id``, ``metrics.…``, ``params.…``
    and ``tags.…``, of which finished runs count.

    Args:
        source: A CSV or Parquet file, or a table in memory.
        seed_column: The column of the seeds; None for ``seed``, or in an MLflow export
            ``params.seed``, else ``tags.seed``.
        regime_column: The column of the regimes; None for ``regime``, or ``tags.regime``, else
            ``params.regime``.

    Raises:
        UsageError: It cannot be read, lacks a column, has text where a number should be, a name
            that cannot be shown, or a place twice.
    """
    if isinstance(source, pd.DataFrame):
        return _checked(Table(source), seed_column, regime_column)
    path = user_path(str(source))
    try:
        content = read_file(path, _LARGEST)
    except OSError as error:
        raise UsageError(
            f"expected a table {path}, received: {error.strerror}{beginning_of(path)}"
        ) from error
    try:
        found = _parsed(content)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise UsageError(
            f"{path}: expected a CSV or Parquet file, received: {str(error).strip()}"
        ) from error
    table = Table(found, visible(path.name), hashlib.sha256(content).hexdigest())
    return _checked(table, seed_column, regime_column)


def _parsed(content: bytes) -> pd.DataFrame:
    if content.startswith(b"PAR1"):
        return pd.read_parquet(BytesIO(content))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of rows longer than the header
        text = pd.read_csv(
            BytesIO(content),
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            index_col=False,
        )
    return text.fillna("")  # a short row


def _checked(table: Table, seed_column: str | None, regime_column: str | None) -> Table:
    found, names = table.rows, {"seed": seed_column, "regime": regime_column}
    left_out = 0
    if "run_id" in found and any(str(name).startswith("metrics.") for name in found):
        rows, left_out = _of_mlflow(found, names)
    else:
        chosen = {column: str(name) for column, name in names.items() if name}
        rows = _with(found, {column: chosen.get(column, column) for column in COLUMNS})
        for optional in ("epoch", "run_id"):
            rows[optional] = found[optional].to_numpy() if optional in found else ""
        rows["row"] = range(2, len(rows) + 2)  # as a spreadsheet counts, the header first
    if rows.empty:
        raise UsageError("expected a table with values, received none")
    for column in ("regime", "metric"):
        rows[column] = _names(rows, column)
    rows["seed"] = _whole(rows, "seed").astype("int64")
    beyond = ~rows["seed"].between(0, 2**32 - 1)  # larger ones are pairs of a seed and a split
    if beyond.any():
        wanted = "a whole number from 0 to 4294967295; number the pairs, if theirs are others,"
        raise _wrong(rows, beyond, "seed", wanted, int(rows.loc[beyond, "seed"].iloc[0]))
    rows["epoch"] = _whole(rows, "epoch", missing=True)
    rows["value"] = _numbers(rows)
    rows["run_id"] = rows["run_id"].map(lambda text: visible(str(text)))
    _refuse_repeated(rows)
    return Table(rows.drop(columns="row"), table.source, table.sha256, left_out)


def _with(found: pd.DataFrame, wanted: Mapping[str, str]) -> pd.DataFrame:
    """The wanted columns, under their own names."""
    present = [str(name) for name in found]
    for column, name in wanted.items():
        if name not in present:
            hint = f"; name another with --{column}-column" if column in _OF_MLFLOW else ""
            raise UsageError(
                f"expected the columns {', '.join(wanted.values())}, and perhaps epoch, or those "
                f"of `mlflow experiments csv`, received {brief(', '.join(present))} without "
                f"{brief(name)}{hint}"
            )
    return pd.DataFrame({column: found[name].to_numpy() for column, name in wanted.items()})


def _of_mlflow(found: pd.DataFrame, names: Mapping[str, str | None]) -> tuple[pd.DataFrame, int]:
    """The rows of finished runs that an export has, and how many runs are left out."""
    usual = {
        column: names[column] or next((of for of in known if of in found), known[0])
        for column, known in _OF_MLFLOW.items()
    }
    runs = _with(found, usual)
    runs["run_id"] = found["run_id"].to_numpy()
    runs["row"] = range(2, len(runs) + 2)
    metrics = [str(of) for of in found if str(of).startswith("metrics.")]
    metrics = [name for name in metrics if not name.startswith("metrics.system/")]
    runs = pd.concat([runs, found[metrics].reset_index(drop=True)], axis=1)
    usable = ~(_missing(runs["regime"]) | _missing(runs["seed"])).to_numpy()
    if "status" in found:
        usable &= (found["status"] == "FINISHED").to_numpy()
    ids = ["regime", "seed", "run_id", "row"]
    rows = runs[usable].melt(id_vars=ids, var_name="metric", value_name="value")
    rows = rows[~_missing(rows["value"])].reset_index(drop=True)
    rows["metric"] = rows["metric"].str.removeprefix("metrics.")
    return rows.assign(epoch=""), int((~usable).sum())


def _missing(values: pd.Series) -> pd.Series:
    return values.isna() | (values.astype(str).str.strip() == "")


def _names(rows: pd.DataFrame, column: str) -> pd.Series:
    """Names that every terminal and every table can show."""
    names = rows[column].map(lambda name: "" if pd.isna(name) else str(name))
    taken = {"regime": headings(), "metric": {*_NO_METRICS, *equal_fit.METRICS}}[column]
    for name in names.unique():
        if not name.strip() or len(name) > _LONGEST_NAME[column] or visible(name) != name:
            what = f"a name of 1 to {_LONGEST_NAME[column]} characters that can be seen"
        elif name in taken:
            what = f"a {column} of another name, because a report has this one for something else"
        else:
            continue
        raise _wrong(rows, names == name, column, what, name)
    return names


def _whole(rows: pd.DataFrame, column: str, *, missing: bool = False) -> pd.Series:
    """Whole numbers, also as programs write them, such as ``2.0``; NaN where one may be missing."""
    known: dict[Any, float] = {}
    for raw in rows[column].unique():
        if missing and (pd.isna(raw) or str(raw).strip().lower() in _MISSING):
            known[raw] = math.nan
            continue
        number = as_meant(str(raw).strip())
        if not isinstance(number, int) or abs(number) >= 2**53:
            raise _wrong(rows, rows[column] == raw, column, "a whole number", raw)
        known[raw] = number
    return rows[column].map(known)


def _numbers(rows: pd.DataFrame) -> pd.Series:
    values = pd.to_numeric(rows["value"], errors="coerce").astype(float)
    for raw in rows.loc[values.isna(), "value"].unique():
        if not (pd.isna(raw) or str(raw).strip().lower() in _MISSING):
            raise _wrong(rows, rows["value"] == raw, "value", "a number", raw)
    return values


def _wrong(
    rows: pd.DataFrame, where: pd.Series, column: str, what: str, received: Any
) -> UsageError:
    first = rows[where.to_numpy()].iloc[0] if where.any() else rows[rows[column].isna()].iloc[0]
    of = f" ({first['metric']})" if column == "value" else ""
    return UsageError(
        f"row {first['row']}, column {column}{of}: expected {what}, received {brief(received)}"
    )


def _refuse_repeated(rows: pd.DataFrame) -> None:
    repeated = rows[rows.duplicated(_PLACE, keep=False)]
    if repeated.empty:
        return
    _, same = next(iter(repeated.groupby(_PLACE, dropna=False, sort=False)))
    first = same.iloc[0]
    at = "" if math.isnan(first["epoch"]) else f" at epoch {first['epoch']:.0f}"
    raise UsageError(
        f"expected one value of each seed, regime and metric{at and ' at an epoch'}, received seed "
        f"{first['seed']} of regime {brief(first['regime'])} {len(same)} times for "
        f"{brief(first['metric'])}{at} (rows {listed(same['row'].head(5))})"
    )


def listed(values: Sequence[Any] | pd.Series) -> str:
    """Values in a row, for a message."""
    return shortened(", ".join(map(str, values)), 200)
