"""The record of a study made from a table of values: its runs, learning curves and looks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

import fashion_dropout
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import looks_taken
from fashion_dropout.comparison.tables import Table
from fashion_dropout.config.decision import Decision
from fashion_dropout.errors import UsageError

_LOSSES = ("train/loss", "val/loss")
_CURVES = (*_LOSSES, "train/accuracy", "val/accuracy")
_RUN = ["regime", "seed"]


def record_of(
    table: Table, rule: Decision, regimes: Sequence[str], curves: pd.DataFrame
) -> StudyRecord:
    """The record: of each metric the value of the last epoch, of the pairs that looks have seen.

    The regimes are all of them, the baseline first; the curves are those of `curves_of`.

    Raises:
        UsageError: The looks of the rule cannot be; see `Decision.check_looks`.
    """
    rows = table.rows
    order = rows.sort_values("epoch", kind="stable", na_position="last")
    last = order.drop_duplicates([*_RUN, "metric"], keep="last")
    runs = last.pivot(index=_RUN, columns="metric", values="value").reset_index()  # noqa: PD010
    runs.columns.name = None
    cells = rows.drop_duplicates(_RUN)[[*_RUN, "run_id"]].sort_values("seed", kind="stable")
    cells = cells.assign(state="FINISHED", reason="").reset_index(drop=True)
    runs = runs.merge(cells[[*_RUN, "run_id"]], on=_RUN)
    present = sorted(int(seed) for seed in rows["seed"].unique())
    to_come = max(rule.looks, default=0) - len(present)  # pairs that the looks declare, if above 0
    seeds = (*present, *range(present[-1] + 1, present[-1] + 1 + to_come))
    others = [regime for regime in regimes if regime != rule.baseline]
    try:
        rule.check_looks(len(seeds), len(others))
    except UsageError as error:
        raise UsageError(str(error).removeprefix("decision.")) from error
    looks = looks_taken(runs, curves, others, rule, seeds, set(runs["seed"]))
    seen = looks.seen[-1] if looks.seen else present
    counted, curves, needed = (
        of[of["seed"].isin(seen)].reset_index(drop=True) for of in (runs, curves, cells)
    )
    return StudyRecord(
        run_id="",
        key=f"{table.source}-{table.sha256[:12]}" if table.sha256 else table.source,
        question=f"{rule.primary}: {', '.join(others)} − {rule.baseline}",
        begun="",
        rule=rule,
        regimes={regime: {} for regime in regimes},
        common={},
        seeds=seeds,
        cells=needed if looks.over else cells,
        runs=counted,
        histories=curves,
        results=None,
        environment={
            "table": [table.source],
            **({"table.sha256": [table.sha256]} if table.sha256 else {}),
            "program": [f"fashion-dropout {fashion_dropout.__version__}"],
        },
        looks=looks,
        unused=len(runs) - len(counted),
    )


def curves_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The learning curves, where the table has both losses of the same epochs; else no row.

    Epochs that no run has are left out, as where losses are measured at every fifth. An epoch that
    only some runs have is NaN in the others up to their last one.

    Returns:
        See `equal_fit.loss_curves`, with columns for the accuracies, too.
    """
    columns = [*_RUN, "epoch", *_CURVES]
    timed = rows[rows["epoch"].notna()]
    if not set(_LOSSES) <= set(timed["metric"]) or timed["epoch"].nunique() < 2:
        return pd.DataFrame(columns=columns)
    place = [*_RUN, "epoch"]
    of = {name: timed[timed["metric"] == name].set_index(place)["value"] for name in _CURVES}
    curves = pd.concat([of[name].rename(name) for name in _LOSSES], axis=1, join="inner")
    for name in _CURVES[2:]:
        curves[name] = of[name].reindex(curves.index)
    curves = curves.reset_index()
    last = curves.groupby(_RUN, as_index=False).agg(last=("epoch", "max"))
    every = last.merge(curves[["epoch"]].drop_duplicates().sort_values("epoch"), how="cross")
    values = every[every["epoch"] <= every["last"]].merge(curves, on=place, how="left")
    return values.assign(epoch=values["epoch"].astype(int))[columns]
