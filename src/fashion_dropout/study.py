"""A whole study: run what is missing, compare what is finished, record the verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_dropout import cluster, provenance
from fashion_dropout.cell import EXPERIMENT_DESCRIPTION
from fashion_dropout.cluster import CellResult, Place
from fashion_dropout.comparison import verdict
from fashion_dropout.comparison.statistics import seeds_for, smallest_p
from fashion_dropout.display import StudyDisplay
from fashion_dropout.errors import FashionDropoutError
from fashion_dropout.learning import dataset as data
from fashion_dropout.study_file import Study
from fashion_dropout.ui import chart_page

if TYPE_CHECKING:
    import pandas as pd

    from fashion_dropout.learning.dataset import Examples
    from fashion_dropout.tracking.runs import TrackedRun

EXIT_INCOMPLETE = 4


@dataclass(frozen=True)
class StudyOutcome:
    """What a study came to.

    Attributes:
        run_id: The run of the study itself.
        experiment_id: Where it and its cells are.
        missing: Cell → why it has no finished run.
        text: The table, the verdicts and what is missing, for a person.
    """

    run_id: str
    experiment_id: str
    missing: dict[str, str]
    text: str


class UnpairedError(FashionDropoutError):
    """Two runs of a pair differ in what they must have in common: there is nothing to compare."""


def compare_study(
    study: Study,
    display: StudyDisplay,
    *,
    workers: int = 0,
    scheduler: str = "",
    fresh: bool = False,
    data_dir: Path | None = None,
    experiment: str | None = None,
) -> StudyOutcome:
    """Run every cell of a study that has no finished run, then compare.

    Args:
        study: As declared.
        display: Told what happens.
        workers: Processes of the local cluster; 0 for one on each core.
        scheduler: Address of a Dask scheduler to use instead; "" for a local cluster.
        fresh: Run every cell anew, whatever is finished.
        data_dir: A folder with the four archives; None to look in the usual places.
        experiment: The MLflow experiment; None for MLflow's own variables, else the project's.

    Raises:
        UsageError: The scheduler does not answer.
        DataError: The dataset cannot be had; no run was made.
        TrackingError: The store does not answer, or not any more.
        UnpairedError: Two runs of a pair began differently; no verdict is recorded.
    """
    import mlflow

    from fashion_dropout.tracking.runs import tracked_run
    from fashion_dropout.tracking.store import connect

    connect()
    tracking_uri = mlflow.get_tracking_uri()
    if scheduler:
        with cluster.cluster(0, scheduler):
            pass  # it answers
        cluster.reachable_from(tracking_uri, scheduler)
    dataset = data.open_dataset(study.dataset, data_dir, say=display.note)
    for warning in warnings_of(study):
        display.note(warning)
    session = cluster.new_session()
    with tracked_run(
        name=f"study-{study.name}",
        description=f"**{study.question}** Study `{study.key}`: running.",
        experiment_description=EXPERIMENT_DESCRIPTION,
        experiment=experiment,
        params={
            "seeds": ",".join(str(seed) for seed in study.seeds),
            "regimes": ",".join(study.regimes),
            **study.decision.model_dump(exclude={"secondary"}),
        },
        tags={
            "role": "study",
            "study": study.key,
            "study.session": session,
            "study.fresh": fresh,
            "question": study.question,
            "dataset": study.dataset,
        },
    ) as run:
        run.log_text(json.dumps(study.recorded(), indent=2) + "\n", "study.json")
        place = Place(
            tracking_uri=tracking_uri,
            experiment=mlflow.get_experiment(run.experiment_id).name,
            session=session,
            data_dir=data_dir.resolve() if data_dir else None,
        )
        failed = _run_missing_cells(study, run, place, display, workers, scheduler, fresh)
        display.note("comparing the runs, drawing figures, writing the report")
        return _conclude(study, run, failed, dataset.test())


def warnings_of(study: Study) -> list[str]:
    """What a person should know before the study runs."""
    rule, pairs, regimes = study.decision, len(study.seeds), len(study.others)
    least = smallest_p(pairs, regimes)
    if least <= rule.alpha:
        return []
    return [
        f"warning: {pairs} seeds can give no p below {least:.2g}, and alpha is {rule.alpha:g}: "
        f"no difference can be shown; at least {seeds_for(rule.alpha, regimes)} are needed"
    ]


def _run_missing_cells(
    study: Study,
    run: TrackedRun,
    place: Place,
    display: StudyDisplay,
    workers: int,
    scheduler: str,
    fresh: bool,
) -> dict[str, str]:
    from fashion_dropout.tracking import queries

    runs = queries.study_runs(study.key, run.experiment_id)
    finished = runs[runs["state"] == "FINISHED"]
    done = set() if fresh else set(zip(finished["regime"], finished["seed"], strict=True))
    cells = [cell for cell in study.cells() if (cell.regime, cell.config.seed) not in done]
    display.begin(study.key, len(cells), len(study.cells()))
    if not cells:
        return {}
    workers = min(workers or provenance.cores(), len(cells))
    results: list[CellResult] = []
    try:
        with cluster.cluster(workers, scheduler) as client:
            for result in cluster.run_cells(client, cells, place, display.epoch):
                results.append(result)
                display.ended(result.cell.name, result.error)
    finally:
        queries.end_abandoned_runs(
            place.session, run.experiment_id, {result.run_id for result in results}
        )
    return {result.cell.name: result.error for result in results if result.error}


def _conclude(
    study: Study, run: TrackedRun, failed: dict[str, str], test: Examples
) -> StudyOutcome:
    from fashion_dropout.reporting import write_study_files
    from fashion_dropout.study_record import read_record
    from fashion_dropout.tracking import queries

    record = read_record(run.run_id, test)
    runs = record.runs
    cells = record.cells[record.cells["state"] != "FINISHED"]
    missing = {
        name: failed.get(name, "no finished run")
        for name in cells["regime"] + "-seed" + cells["seed"].astype(str)
    }
    if differing := verdict.unpaired(runs, record.rule.baseline, queries.PAIRING_TAGS):
        raise UnpairedError(
            "expected the runs of a pair to begin alike, received: "
            f"{'; '.join(differing[:5])}; run the study again with --fresh"
        )
    comparison = record.compare()
    sentences = [verdict.sentence(one, record.rule) for one in comparison.verdicts]
    summary = verdict.summary_table(runs, list(study.regimes), comparison)
    if metrics := verdict.difference_metrics(comparison):
        run.log_metrics(metrics, step=0)
    text = _text(study, summary, sentences, missing)
    with run.artifacts() as folder:
        runs.to_csv(folder / "runs.csv", index=False)
        verdict.differences_table(comparison).to_csv(folder / "differences.csv", index=False)
        (folder / "verdict.txt").write_text(f"{text}\n", encoding="utf-8")
        write_study_files(record, comparison, folder)
    run.set_tags(
        {
            "verdict": " ".join(sentences),
            "verdict.kind": "; ".join(one.kind for one in comparison.verdicts),
            "missing": ", ".join(missing),
            "mlflow.note.content": _note(study, run, summary, sentences, missing),
        }
    )
    return StudyOutcome(run.run_id, run.experiment_id, missing, text)


def _text(
    study: Study, summary: pd.DataFrame, sentences: list[str], missing: dict[str, str]
) -> str:
    lines = [
        f"{study.key}: mean [95 % interval] of each regime, difference over pairs of a seed "
        "(p: sign-flip, Holm-adjusted)",
        summary.to_string(index=False, justify="left"),
        "",
        *(f"verdict: {sentence}" for sentence in sentences),
        *(f"missing: {cell}: {reason}" for cell, reason in missing.items()),
    ]
    return "\n".join(lines)


def _note(
    study: Study,
    run: TrackedRun,
    summary: pd.DataFrame,
    sentences: list[str],
    missing: dict[str, str],
) -> str:
    """The description of the study's run, Markdown."""
    header = "| " + " | ".join(summary.columns) + " |\n|" + " --- |" * len(summary.columns)
    rows = "\n".join("| " + " | ".join(row) + " |" for row in summary.itertuples(index=False))
    gone = "".join(f"- missing: `{cell}`: {reason}\n" for cell, reason in missing.items())
    chart = chart_page(study.key, run.experiment_id)
    return (
        f"**{study.question}**\n\n"
        + "".join(f"**{sentence}**\n\n" for sentence in sentences)
        + f"{gone}\n[The runs of this study as charts]({chart}); figures and explanations: "
        f"`report.html`, `report.ja.html`.\n\n{header}\n{rows}\n\n"
        f"Study `{study.key}`. Every run: `runs.csv`; every difference: `differences.csv`; what "
        "was declared: `study.json`. Differences are regime − baseline over pairs of runs with the "
        "same seed, which began with the same weights and saw the same batches.\n"
    )
