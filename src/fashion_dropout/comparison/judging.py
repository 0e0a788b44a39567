"""Anybody's numbers compared as a study of this program is: the same table, verdicts and record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from pydantic import Field, ValidationError

import fashion_dropout
from fashion_dropout.comparison import sentences, summary
from fashion_dropout.comparison.equal_fit import EPOCHS, OVER_RANGE, VALIDATION_LOSS
from fashion_dropout.comparison.overview import overview
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.result import numbers
from fashion_dropout.comparison.stopping import Looks, looks_taken
from fashion_dropout.comparison.tables import Table, listed, read_table
from fashion_dropout.comparison.verdict import Kind
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import COMPARED, Direction
from fashion_dropout.config.toml import check_known, first_of
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.texts import Language

_LOSSES = ("train/loss", "val/loss")
_CURVES = (*_LOSSES, "train/accuracy", "val/accuracy")
_RUN = ["regime", "seed"]
_WORDS: Language = "en-table"


class Rule(Decision):
    """A decision rule for metrics of which this program knows only what it was told."""

    directions: dict[str, Direction] = Field(default_factory=dict)
    """Metric → which of its values are better, as far as that is known."""

    def direction_of(self, metric: str) -> Direction | None:
        """As it was told."""
        return self.directions.get(metric)


@dataclass(frozen=True)
class Judged:
    """What a table of values says.

    Attributes:
        record: The runs of the table, as those of a study.
        comparison: Their differences and verdicts.
    """

    record: StudyRecord
    comparison: Comparison

    @property
    def kinds(self) -> dict[str, Kind]:
        """Regime → the kind of its verdict."""
        return {of.difference.regime: of.kind for of in self.comparison.verdicts}

    @property
    def table(self) -> pd.DataFrame:
        """Mean and interval of each regime, differences and p-values, as texts."""
        regimes = list(self.record.regimes)
        return summary.summary_table(self.record.runs, regimes, self.comparison, _WORDS)

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """All of it as numbers, JSON values; see `result.schema.json`."""
        return numbers(self.record, self.comparison)

    @cached_property
    def text(self) -> str:
        """What a terminal shows."""
        rule, words = self.comparison.rule, _WORDS
        said = [sentences.sentence(of, rule, words) for of in self.comparison.verdicts]
        looks = sentences.looks_sentence(self.record, words)
        return overview(
            self.record.key,
            self.table,
            summary.table_notes(self.comparison, words),
            [*said, *([looks] if looks else [])],
            sentences.guard_warnings(self.record, words),
            {},
            len(said),
        )


def judge(  # noqa: PLR0913
    table: Table | pd.DataFrame,
    *,
    baseline: str,
    metric: str,
    smallest_difference: float,
    direction: Direction | None = None,
    alpha: float = 0.05,
    secondary: Sequence[str] | None = None,
    guards: Mapping[str, float] | None = None,
    looks: Sequence[int] = (),
    directions: Mapping[str, Direction] | None = None,
) -> Judged:
    """Compare the regimes of a table, seed by seed, and decide.

    Args:
        table: As `read_table` gives it, or a tidy table in memory.
        baseline: The regime that all others are compared with.
        metric: The primary metric, which decides.
        smallest_difference: The smallest difference of interest in it, in its unit.
        direction: Which of its values are better; None if this program knows it.
        alpha: The level of significance.
        secondary: The metrics that are reported beside it; None for all others.
        guards: Metrics that must not get worse → the harm that would matter.
        looks: Numbers of pairs, in the order of the seeds, at which it was decided whether more are
            needed.
        directions: Metric → which values are better, for other metrics than the primary one. Those
            of unknown direction are compared without saying which regime is better.

    Raises:
        UsageError: A name is unknown, a direction is missing, a regime lacks seeds of the others,
            or no pair has a value of the primary metric.
    """
    known = table if isinstance(table, Table) else read_table(table)
    rows = known.rows
    regimes = list(dict.fromkeys([baseline, *rows["regime"]]))
    check_known([baseline], dict.fromkeys(rows["regime"]), "baseline of the table")
    _check_regimes(rows, regimes)
    curves = _curves(rows)
    metrics = [*dict.fromkeys(rows["metric"])]
    metrics += [OVER_RANGE, VALIDATION_LOSS, EPOCHS] if len(curves) else []
    chosen = [of for of in metrics if of != metric] if secondary is None else list(secondary)
    check_known(
        [metric, *chosen, *(guards or {}), *(directions or {})], metrics, "metric of the table"
    )
    rule = _rule(
        {
            "primary": metric,
            "smallest_difference": smallest_difference,
            "alpha": alpha,
            "baseline": baseline,
            "secondary": tuple(dict.fromkeys(of for of in chosen if of != metric)),
            "guards": dict(guards or {}),
            "looks": tuple(looks),
        },
        {**(directions or {}), **({metric: direction} if direction else {})},
        metrics,
    )
    record = _record(known, rule, regimes, curves)
    comparison = record.compare()
    if (not rule.looks or record.looks.seen) and not any(
        verdict.difference.n for verdict in comparison.verdicts
    ):
        raise UsageError(
            f"expected values of {metric} in both regimes of a seed, received no finite pair"
        )
    return Judged(record, comparison)


def _check_regimes(rows: pd.DataFrame, regimes: Sequence[str]) -> None:
    """Refuse a single regime, and one that lacks seeds of the others."""
    if len(regimes) < 2:
        raise UsageError(
            f"expected two regimes or more, received only {brief(regimes[0])} in the table"
        )
    everything = set(rows["seed"])
    for regime, own in rows.groupby("regime", sort=False)["seed"]:
        if missing := sorted(everything - set(own)):
            raise UsageError(
                f"expected every regime with the same seeds, received {brief(regime)} without "
                f"{'seed' if len(missing) == 1 else 'seeds'} {listed(missing)}; add these runs, or "
                "leave those of the other regimes out"
            )


def _rule(declared: dict[str, Any], told: Mapping[str, Direction], metrics: Sequence[str]) -> Rule:
    """The rule, each metric with the direction that was told, else with the one that is known."""
    for metric, direction in told.items():
        if COMPARED.get(metric, direction) != direction:
            raise UsageError(
                f"direction: expected {COMPARED[metric]!r} for {metric}, received {direction!r}; "
                "give the metric another name if it is another one"
            )
    directions = {of: told.get(of) or COMPARED.get(of) for of in metrics}
    for metric in (declared["primary"], *declared["guards"]):
        if directions[metric] is None:
            raise UsageError(
                f"expected to be told whether lower or higher values of {metric} are better, "
                f"received no direction: --direction {brief(f'{metric}=lower')}"
            )
    known = {of: direction for of, direction in directions.items() if direction}
    try:
        return Rule.model_validate(
            {**declared, "direction": known[declared["primary"]], "directions": known}
        )
    except ValidationError as error:
        raise UsageError(first_of(error)) from error


def _record(table: Table, rule: Rule, regimes: Sequence[str], curves: pd.DataFrame) -> StudyRecord:
    rows = table.rows
    order = rows.sort_values("epoch", kind="stable", na_position="last")
    last = order.drop_duplicates([*_RUN, "metric"], keep="last")
    runs = last.pivot(index=_RUN, columns="metric", values="value").reset_index()  # noqa: PD010
    runs.columns.name = None
    cells = rows.drop_duplicates(_RUN)[[*_RUN, "run_id"]].sort_values("seed", kind="stable")
    cells = cells.assign(state="FINISHED", reason="").reset_index(drop=True)
    runs = runs.merge(cells[[*_RUN, "run_id"]], on=_RUN)
    there = sorted(int(seed) for seed in rows["seed"].unique())
    to_come = range(there[-1] + 1, there[-1] + 1 + max(0, max(rule.looks, default=0) - len(there)))
    seeds = (*there, *to_come)  # of the pairs that the looks declare
    others = [regime for regime in regimes if regime != rule.baseline]
    looks = _looks(runs, curves, others, rule, seeds)
    seen = looks.seen[-1] if looks.seen else there
    counted, curves, needed = (
        of[of["seed"].isin(seen)].reset_index(drop=True) for of in (runs, curves, cells)
    )
    return StudyRecord(
        run_id="",
        key=f"{table.source}-{table.sha256[:12]}" if table.sha256 else table.source,
        question=f"{rule.primary}: {', '.join(others)} − {rule.baseline}",
        begun="",
        generated=False,
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


def _looks(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    others: Sequence[str],
    rule: Rule,
    seeds: Sequence[int],
) -> Looks:
    """The looks so far; those after more pairs than the table has are still to come."""
    try:
        rule.check_looks(len(seeds), len(others))
    except UsageError as error:
        raise UsageError(str(error).removeprefix("decision.")) from error
    return looks_taken(runs, curves, others, rule, seeds, set(runs["seed"]))


def _curves(rows: pd.DataFrame) -> pd.DataFrame:
    """The learning curves, where the table has both losses of the same epochs; else no row.

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
    return curves.assign(epoch=curves["epoch"].astype(int))[columns]
