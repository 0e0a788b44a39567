"""A study as one self-contained HTML file: no network, no script, light and dark, printable."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import jinja2

from fashion_dropout.comparison import sentences
from fashion_dropout.comparison.detail import details, second_evidence
from fashion_dropout.comparison.figures import mean_text
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.splits import scope, sources_warnings
from fashion_dropout.comparison.summary import summary_table, table_notes, values_of_runs
from fashion_dropout.config.cell import pair_text
from fashion_dropout.reports.pictures import Picture
from fashion_dropout.texts import Language, regime_label, spoken_in, texts

_FIRST = ("study_curves", "paired_differences")
"""The figures that stand beside each other below the verdict, before all others and all tables."""


def render(
    record: StudyRecord, comparison: Comparison, figures: Mapping[str, Picture], language: Language
) -> str:
    """The report as HTML; the same arguments give the same text.

    The figures are those of `figures.study_figures`, with words of the same language.
    """
    words = texts(language)
    rule = record.rule
    changed = sentences.change_warning(record, language)
    kernels = sentences.kernel_warning(record.mixed_kernels, language)
    return template("report.html.j2").render(
        language=spoken_in(language),
        words=words,
        t=words["report"],
        record=record,
        question=(spoken_in(language) == "ja" and record.question_ja) or record.question,
        pairs=any(verdict.difference.n for verdict in comparison.verdicts),
        finished=int((record.cells["state"] == "FINISHED").sum()),
        verdicts=[sentences.sentence(verdict, rule, language) for verdict in comparison.verdicts],
        beside=[
            *scope(record, comparison, language),
            *filter(None, [sentences.looks_sentence(record, language)]),
            *second_evidence(record, language),
        ],
        warnings=[
            *filter(None, (changed, kernels)),
            *sources_warnings(record, language),
            *sentences.guard_warnings(record, language),
        ],
        notes=table_notes(comparison, language),
        summary=summary_table(record.runs, list(record.regimes), comparison, language),
        first={name: picture for name, picture in figures.items() if name in _FIRST},
        figures={name: picture for name, picture in figures.items() if name not in _FIRST},
        rule=rule_sentence(record, language),
        details=details(record, comparison, language),
        guards=_guards(comparison, language),
        cells=_cells(record, comparison),
    )


def template(name: str) -> jinja2.Template:
    """A page of this package, to be filled; what is put into it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fashion_dropout.reports", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def rule_sentence(record: StudyRecord, language: Language) -> str:
    """What was declared, in a sentence, and whether before the runs."""
    words, rule, changed = texts(language)["report"], record.rule, record.changed
    # With results known: another rule was declared before this one, or none.
    late = changed is not None and ("rule" in changed.what or not changed.what)
    looks = words["how_looks"].format(
        pairs=", ".join(map(str, rule.looks)),
        spent=", ".join(f"{spent:.4f}" for spent in rule.spending),
    )
    return str(words["how_rule"]).format(
        declared=words["how_late" if late else "how_before"],
        primary=rule.primary,
        direction=words[rule.direction],
        alpha=rule.alpha,
        smallest=rule.smallest_difference,
        baseline=regime_label(rule.baseline, language),
        guards=", ".join(f"{metric} {margin:g}" for metric, margin in rule.guards.items())
        or words["no_guards"],
        looks=looks if rule.looks else "",
    )


def _guards(comparison: Comparison, language: Language) -> list[dict[str, str]]:
    """A row for each regime and guard."""
    kinds = texts(language)["guards"]["kinds"]
    rows = []
    for verdict in comparison.verdicts:
        for guard in verdict.guards:
            metric, known = guard.difference.metric, math.isfinite(guard.high)
            harm = mean_text(metric, guard.mean, guard.low, guard.high, "+") if known else "–"
            rows.append(
                {
                    "metric": metric,
                    "regime": regime_label(guard.difference.regime, language),
                    "harm": harm,
                    "margin": f"{guard.margin:g}",
                    "result": kinds[guard.kind],
                }
            )
    return rows


def _cells(record: StudyRecord, comparison: Comparison) -> list[dict[Hashable, Any]]:
    values = values_of_runs(record.runs, comparison)
    cells = record.cells.to_dict("records")
    for cell in cells:
        value = values.get((cell["regime"], cell["seed"]))
        cell["primary"] = "–" if value is None else f"{value:.4f}"
        cell["seed"] = pair_text(cell["seed"])
    return cells
