"""A study as one self-contained HTML file: no network, no script, light and dark, printable."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.summary import kernel_warning, sentence, summary_table
from fashion_dropout.comparison.verdict import Comparison
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
        kernel_warning=kernel_warning(record.mixed_kernels, language),
        summary=summary_table(record.runs, list(record.regimes), comparison),
        figures={name: _picture(png) for name, png in figures.items()},
        rule=words["report"]["how_rule"].format(
            primary=rule.primary,
            direction=words["report"][rule.direction],
            alpha=rule.alpha,
            smallest=rule.smallest_difference,
            baseline=rule.baseline,
        ),
        cells=_cells(record),
    )


def _picture(png: bytes) -> _Picture:
    width, height = struct.unpack(">II", png[16:24])  # of the header chunk, always the first
    return _Picture(base64.b64encode(png).decode(), width, height)


def _cells(record: StudyRecord) -> list[dict[str, Any]]:
    values = {}
    if record.rule.primary in record.runs:
        values = record.runs.set_index("run_id")[record.rule.primary].to_dict()
    return [
        {
            **{str(name): value for name, value in cell.items()},
            "primary": f"{values[cell['run_id']]:.4f}"
            if np.isfinite(values.get(cell["run_id"], np.nan))
            else "–",
        }
        for cell in record.cells.to_dict("records")
    ]
