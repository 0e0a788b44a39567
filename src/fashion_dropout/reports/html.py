"""A study as one self-contained HTML file: no network, no script, light and dark, printable."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2

from fashion_dropout.comparison.detail import details
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.sentences import change_warning, kernel_warning, sentence
from fashion_dropout.comparison.summary import summary_table, values_of_runs
from fashion_dropout.comparison.verdict import Comparison
from fashion_dropout.config.decision import METRICS
from fashion_dropout.texts import Language, texts


@dataclass(frozen=True)
class _Picture:
    base64: str
    width: int
    height: int


def render(
    record: StudyRecord, comparison: Comparison, figures: Mapping[str, bytes], language: Language
) -> str:
    """The report as HTML; the same arguments give the same text.

    Args:
        record: The study.
        comparison: The comparison of its runs.
        figures: Name (see `figures.study_figures`) → PNG file.
        language: ``en`` or ``ja``.
    """
    words = texts(language)
    rule = record.rule
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fashion_dropout.reports", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        language=language,
        words=words,
        t=words["report"],
        record=record,
        pairs=any(verdict.difference.n for verdict in comparison.verdicts),
        finished=int((record.cells["state"] == "FINISHED").sum()),
        sentences=[sentence(verdict, rule, language) for verdict in comparison.verdicts],
        warnings=[
            warning
            for warning in (
                change_warning(record.changed, len(record.runs), language),
                kernel_warning(record.mixed_kernels, language),
            )
            if warning
        ],
        summary=summary_table(record.runs, list(record.regimes), comparison),
        figures={name: _picture(png) for name, png in figures.items()},
        rule=words["report"]["how_rule"].format(
            primary=rule.primary,
            direction=words["report"][rule.direction],
            alpha=rule.alpha,
            smallest=rule.smallest_difference,
            baseline=rule.baseline,
            guards=", ".join(f"{metric} {margin:g}" for metric, margin in rule.guards.items())
            or words["report"]["no_guards"],
        ),
        details=details(record, comparison, language),
        guards=_guards(comparison, words["guards"]["kinds"]),
        cells=_cells(record, comparison),
    )


def _picture(png: bytes) -> _Picture:
    width, height = struct.unpack(">II", png[16:24])  # of the header chunk, always the first
    return _Picture(base64.b64encode(png).decode(), width, height)


def _guards(comparison: Comparison, kinds: Mapping[str, str]) -> list[dict[str, str]]:
    """A row for each regime and guard."""
    rows = []
    for verdict in comparison.verdicts:
        for one in verdict.guards:
            sign = 1 if METRICS[one.difference.metric] == "lower" else -1
            rows.append(
                {
                    "metric": one.difference.metric,
                    "regime": one.difference.regime,
                    "harm": f"{sign * one.difference.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]",
                    "margin": f"{one.margin:g}",
                    "result": kinds[one.kind],
                }
            )
    return rows


def _cells(record: StudyRecord, comparison: Comparison) -> list[dict[str, Any]]:
    values = values_of_runs(record.runs, comparison)
    cells = []
    for cell in record.cells.to_dict("records"):
        value = values.get((cell["regime"], cell["seed"]))
        shown = "–" if value is None else f"{value:.4f}"
        cells.append({**{str(name): of for name, of in cell.items()}, "primary": shown})
    return cells
