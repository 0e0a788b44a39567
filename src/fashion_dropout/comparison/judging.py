"""Anybody's numbers compared as a study of this program is: the same table, verdicts and record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from pydantic import Field, ValidationError

from fashion_dropout.comparison import equal_fit, sentences, summary
from fashion_dropout.comparison.overview import overview
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.result import numbers
from fashion_dropout.comparison.table_record import curves_of, record_of
from fashion_dropout.comparison.tables import Table, listed, read_table
from fashion_dropout.comparison.verdict import Kind
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import COMPARED, Direction
from fashion_dropout.config.toml import check_known, first_of
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief
from fashion_dropout.texts import Language

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
        verdicts = [sentences.sentence(of, rule, words) for of in self.comparison.verdicts]
        looks = sentences.looks_sentence(self.record, words)
        return overview(
            self.record.key,
            summary.deciding_rows(self.table, self.comparison),
            summary.table_notes(self.comparison, words),
            [*verdicts, *([looks] if looks else [])],
            sentences.guard_warnings(self.record, words),
            {},
            len(verdicts),
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
    regimes, curves = _regimes(known.rows, baseline), curves_of(known.rows)
    metrics = [*dict.fromkeys(known.rows["metric"])]
    metrics += equal_fit.METRICS if len(curves) else ()
    chosen = metrics if secondary is None else secondary
    given = {**(directions or {}), **({metric: direction} if direction else {})}
    check_known([metric, *chosen, *(guards or {}), *given], metrics, "metric of the table")
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
        given,
        metrics,
    )
    record = record_of(known, rule, regimes, curves)
    return Judged(record, _compared(record))


def _regimes(rows: pd.DataFrame, baseline: str) -> list[str]:
    """The regimes, the baseline first; refused if there is one only, or one lacks seeds."""
    regimes = list(dict.fromkeys(rows["regime"]))
    check_known([baseline], regimes, "baseline of the table")
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
    return [baseline, *(regime for regime in regimes if regime != baseline)]


def _compared(record: StudyRecord) -> Comparison:
    comparison = record.compare()
    waiting = record.rule.looks and not record.looks.seen
    if not waiting and not any(of.difference.n for of in comparison.verdicts):
        raise UsageError(
            f"expected values of {record.rule.primary} in both regimes of a seed, received no "
            "finite pair"
        )
    return comparison


def _rule(declared: dict[str, Any], given: Mapping[str, Direction], metrics: Sequence[str]) -> Rule:
    """The rule, each metric with the direction that was told, else with the one that is known."""
    for metric, direction in given.items():
        if COMPARED.get(metric, direction) != direction:
            raise UsageError(
                f"direction: expected {COMPARED[metric]!r} for {metric}, received {direction!r}; "
                "give the metric another name if it is another one"
            )
    directions = {of: given.get(of) or COMPARED.get(of) for of in metrics}
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
