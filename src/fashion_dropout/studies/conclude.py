"""The end of a study: compare the finished runs, then record verdict, figures and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fashion_dropout.comparison import pairing, sentences, summary
from fashion_dropout.comparison.detail import second_evidence, with_recalibrated
from fashion_dropout.comparison.overview import overview
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.splits import scope, sources_warnings, with_splits
from fashion_dropout.config.cell import cell_name
from fashion_dropout.config.study import Study
from fashion_dropout.errors import UnpairedError, UsageError
from fashion_dropout.escapes import csv_cell, markdown
from fashion_dropout.learning.examples import Examples
from fashion_dropout.studies.blocks import markdown_table
from fashion_dropout.studies.charts import prepare_charts
from fashion_dropout.studies.read import read_record
from fashion_dropout.studies.report import REPORT_FILE, write_study_files
from fashion_dropout.texts import Count
from fashion_dropout.tracking.recording.tracked_run import TrackedRun
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.urls import run_page


@dataclass(frozen=True)
class StudyOutcome:
    """The result of a study.

    Attributes:
        run_id: The run of the study itself.
        missing: Cell → why it has no finished run.
        text: The table, the verdicts and what is missing, for a person.
    """

    run_id: str
    missing: dict[str, str]
    text: str


def conclude(
    study: Study, run: TrackedRun, failed: Mapping[str, str], test: Examples
) -> StudyOutcome:
    """Compare the finished runs and write the result to the study's run, which is still open.

    `failed` says of a cell why it failed in this call of ``compare``; the test set has the images
    on which the regimes disagree most.

    Raises:
        UnpairedError: Two runs of a pair began differently; no verdict is recorded.
        UsageError: No pair of finished runs has the primary metric; no verdict is recorded.
    """
    run.settle()
    record = read_record(run.run_id, test)
    _check_pairs(record)
    comparison = record.compare()
    _check_primary(record, comparison)
    missing = _missing(record, failed)
    verdicts = [sentences.sentence(verdict, record.rule) for verdict in comparison.verdicts]
    table = summary.summary_table(record.runs, list(study.regimes), comparison)
    changed = sentences.change_warning(record)
    verdicts += filter(None, (sentences.looks_sentence(record), changed))
    verdicts += [*scope(record, comparison), *sources_warnings(record)]
    statements = [*verdicts, *second_evidence(record)]  # which decides nothing
    kernels = filter(None, [sentences.kernel_warning(record.mixed_kernels)])
    warnings = [*kernels, *sentences.guard_warnings(record)]
    lacking = [f"the report lacks {line}" for line in record.absent]
    notes = summary.table_notes(comparison)
    shown = summary.deciding_rows(table, comparison)
    text = overview(
        study.key, shown, notes, statements, [*warnings, *lacking], missing, len(study.others)
    )
    if metrics := summary.difference_metrics(comparison):
        run.log_metrics(metrics, step=0)
    with run.artifacts() as folder:
        write_study_files(record, comparison, folder)
        _write_csv(with_splits(with_recalibrated(record)), folder / "runs.csv")
        differences = summary.differences_table(comparison, record.image_intervals)
        _write_csv(differences, folder / "differences.csv")
        (folder / "verdict.txt").write_text(f"{text}\n", encoding="utf-8")
    links = _links(study, run, list(record.runs["run_id"]))
    run.set_tags(
        {
            tags.VERDICT: " ".join(verdicts),
            tags.VERDICT_KIND: "; ".join(verdict.kind for verdict in comparison.verdicts),
            tags.PAIRS: max(verdict.difference.n for verdict in comparison.verdicts),
            tags.NEWEST: max(record.runs["begun"], default=0),
            tags.MISSING: ", ".join(missing),
            tags.NOTE: _note(
                study, run.run_id, links, shown, notes, [*statements, *warnings], missing
            ),
        }
    )
    return StudyOutcome(run.run_id, missing, text)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    texts = table.map(lambda value: csv_cell(value) if isinstance(value, str) else value)
    texts.to_csv(path, index=False)


def _check_pairs(record: StudyRecord) -> None:
    moves = record.splits or "split" in record.sources
    differing = pairing.unpaired(
        record.runs,
        record.rule.baseline,
        within_pairs=tags.SAME_PAIR,
        everywhere=[name for name in tags.SAME_DATA if not (moves and name == tags.SPLIT_SHA256)],
    )
    if differing:
        raise UnpairedError(
            "expected the runs of a pair to begin alike, received: "
            f"{'; '.join(differing[:5])}; run the study again with --fresh"
        )


def _check_primary(record: StudyRecord, comparison: Comparison) -> None:
    """Refuse to decide by a metric that no pair of finished runs has."""
    finished = record.runs.groupby("seed")["regime"].nunique()
    pairs = int((finished == len(record.regimes)).sum())
    if pairs and not any(verdict.difference.n for verdict in comparison.verdicts):
        raise UsageError(
            f"expected the primary metric {record.rule.primary} in the "
            f"{Count(pairs):finished pair|finished pairs} of {record.key}, received none with a "
            "finite value: they were recorded by another version, or diverged; run the study again "
            "with --fresh, or declare another primary metric"
        )


def _missing(record: StudyRecord, failed: Mapping[str, str]) -> dict[str, str]:
    cells = record.cells[record.cells["state"] != "FINISHED"]
    names = map(cell_name, cells["regime"], cells["seed"])
    return {name: failed.get(name, "no finished run") for name in names}


def _links(study: Study, run: TrackedRun, runs: list[str]) -> dict[str, str]:
    """What a reader of the study's run wants next: name → page, from inside MLflow's UI."""
    charts, _ = prepare_charts(study, run.experiment_id, runs)
    links = {"Report": run_page(run.experiment_id, run.run_id, REPORT_FILE)}
    return links | {name: path.removeprefix("/") for name, path in charts.items()}


def _note(
    study: Study,
    run_id: str,
    links: Mapping[str, str],
    table: pd.DataFrame,
    notes: list[str],
    verdicts: list[str],
    missing: Mapping[str, str],
) -> str:
    """The description of the study's run, Markdown."""
    gone = "".join(f"- missing: `{cell}`: {markdown(reason)}\n" for cell, reason in missing.items())
    linked = " · ".join(f"[{name}]({page})" for name, page in links.items())
    return (
        f"{linked}\n\n**{markdown(study.question)}**\n\n"
        + "".join(f"**{sentence}**\n\n" for sentence in verdicts)
        + f"{gone}\n{markdown_table(table)}\n\n{' '.join(notes)}\n\n"
        f"Study `{study.key}`. Every run: `runs.csv`; every difference: `differences.csv`; the "
        "declared study: `study.json`. Differences are regime − baseline over pairs of runs with "
        "the same seed, which began with the same weights and saw the same batches. The report in "
        f"Japanese: `fashion-dropout report {run_id} --lang ja`.\n"
    )
