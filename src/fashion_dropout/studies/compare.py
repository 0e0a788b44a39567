"""A whole study: run the cells that are missing, then conclude."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_dropout import colours, provenance
from fashion_dropout.comparison.attainable import seeds_for, smallest_p
from fashion_dropout.comparison.splits import FEW_SPLITS
from fashion_dropout.config.study import Study
from fashion_dropout.errors import TrackingError
from fashion_dropout.escapes import markdown
from fashion_dropout.learning import dataset as data
from fashion_dropout.progress import StudyDisplay
from fashion_dropout.studies.cell import Session
from fashion_dropout.studies.fitness import Needs, needs_of
from fashion_dropout.studies.scheduler import Scheduler, check_workers
from fashion_dropout.studies.workers import Workers, ending
from fashion_dropout.texts import Count
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.database import is_new

if TYPE_CHECKING:
    from fashion_dropout.studies.conclude import StudyOutcome
    from fashion_dropout.tracking.recording.tracked_run import TrackedRun


def compare_study(
    study: Study,
    display: StudyDisplay,
    *,
    workers: int | None = None,
    scheduler: Scheduler | None = None,
    fresh: bool = False,
    data_dir: Path | None = None,
    experiment: str | None = None,
) -> StudyOutcome:
    """Run every cell of a study that has no finished run anywhere in the experiment, then compare.

    Args:
        study: As declared.
        display: Told what happens.
        workers: Processes of the local cluster; None for one on each core.
        scheduler: A Dask scheduler to use instead; None for a local cluster.
        fresh: Run every cell from its beginning, also those that have finished.
        data_dir: As for `learning.dataset.open_dataset`.
        experiment: The MLflow experiment; None for MLflow's own variables, else the project's.

    Raises:
        UsageError: Cells were trained by other code, or the study declares other images.
        ClusterError: The scheduler does not answer, or a worker cannot run the cells.
        DataError: The dataset cannot be had; no run was made.
        TrackingError: The store does not answer, or not any more.
        UnpairedError: Two runs of a pair began differently; no verdict is recorded.
    """
    with closing(Workers(workers or provenance.runs_at_once(), scheduler)) as crew:
        dataset = _opened_dataset(study, data_dir, display) if (new := is_new()) else None
        if new:  # then hardly anything can be missing
            first, *others = study.cells()
            crew.begin(study.looks[0] * (1 + len(others)) // len(study.seeds), first.config)
        tracking_uri = _connected(study, display)
        dataset = dataset or _opened_dataset(study, data_dir, display)
        study = study.of_images(dataset.sha256)
        needs = _needs(study, crew, dataset, data_dir, experiment, fresh, display)
        with _opened(study, dataset, name := Session.new_name(), experiment, fresh) as run:
            session = Session(
                name=name,
                tracking_uri=tracking_uri,
                experiment=_experiment_name(run),
                data_dir=data_dir.resolve() if data_dir else None,
                dataset_sha256=dataset.sha256,
                study_run_id=run.run_id,
                colours=colours.of_regimes([study.decision.baseline, *study.others]),
                fresh=fresh,
                needs=needs,
            )
            from fashion_dropout.studies.looks import run_looks

            _prepare_charts(study, run, display)
            failed = run_looks(study, run, crew, session, display)
            display.note("comparing the runs, drawing figures, writing the report")
            with ending(crew):
                from fashion_dropout.studies.conclude import conclude

                outcome = conclude(study, run, failed, dataset.test())
            _tell_of_others(run, session, display)
            return outcome


def _opened_dataset(study: Study, data_dir: Path | None, display: StudyDisplay) -> data.Dataset:
    declared = study.dataset_sha256 or None
    return data.open_dataset(study.dataset, data_dir, display.note, recorded=declared)


def _prepare_charts(study: Study, run: TrackedRun, display: StudyDisplay) -> None:
    from fashion_dropout.studies.charts import prepare_charts

    if refused := prepare_charts(study, run.experiment_id)[1]:
        display.note(f"warning: {refused}")


def _connected(study: Study, display: StudyDisplay) -> str:
    """The URI of the store, which answers."""
    import mlflow

    from fashion_dropout.tracking.recording.recovery import tidy
    from fashion_dropout.tracking.store.connect import connect

    connect()
    tidy(display.note)
    uri: str = mlflow.get_tracking_uri()
    for warning in warnings_of(study):
        display.note(warning)
    return uri


def _needs(
    study: Study,
    crew: Workers,
    dataset: data.Dataset,
    data_dir: Path | None,
    experiment: str | None,
    fresh: bool,
    display: StudyDisplay,
) -> Needs | None:
    """What a study needs of the workers of a cluster, which are asked before anything is recorded;
    None for those of this machine.

    If no cell is to be run any more, no worker is needed: they may have gone for the night.
    """
    from fashion_dropout.studies.looks import check_kernels, still_wanted

    if crew.scheduler is None:
        check_kernels(study, experiment, dataset.sha256, fresh)
        return None
    needs = needs_of(study.cells()[0].config, dataset, data_dir, experiment)
    if fresh or still_wanted(study, needs.experiment_id, needs.dataset_sha256):
        check_workers(crew.client(1), crew.scheduler, needs, display.note)
    return needs


@contextmanager
def _opened(
    study: Study, dataset: data.Dataset, session: str, experiment: str | None, fresh: bool
) -> Iterator[TrackedRun]:
    """The study's own run, with what it declares; one that was interrupted goes on."""
    from fashion_dropout.tracking.recording.run import tracked_run

    with tracked_run(
        resume=None if fresh else _interrupted(study, experiment),
        name=f"study-{study.name}",
        description=f"**{markdown(study.question)}** Study `{study.key}`: running.",
        experiment=experiment,
        params={
            "seeds": ",".join(str(seed) for seed in study.seeds),
            **({"split_seeds": ",".join(map(str, study.splits))} if study.split_seeds else {}),
            "regimes": ",".join(study.regimes),
            "declared_pairs": len(study.seeds) * len(study.splits),  # MLflow cuts long texts
            **study.decision.parameters(),
        },
        tags={
            tags.ROLE: tags.STUDY_RUN,
            tags.STUDY: study.key,
            tags.SESSION: session,
            tags.FRESH: fresh,
            tags.TRAINING_CODE: provenance.training_code_sha256(),
            tags.QUESTION: study.question,
            **({tags.QUESTION_JA: study.question_ja} if study.question_ja else {}),
            tags.DATASET: dataset.name,
            tags.CLASSES: json.dumps(dataset.classes, ensure_ascii=False),
        },
    ) as run:
        run.log_text(json.dumps(study.recorded(), indent=2) + "\n", "study.json")
        yield run


def _experiment_name(run: TrackedRun) -> str:
    from fashion_dropout.tracking.reading.queries import experiment_name

    return experiment_name(run.experiment_id)


def _tell_of_others(run: TrackedRun, session: Session, display: StudyDisplay) -> None:
    """Say who else has concluded the study meanwhile, each in a study run of its own.

    Each looks after the store has its own verdict, so that the later one sees the earlier one.
    """
    from fashion_dropout.tracking.reading.studies import concluded_beside
    from fashion_dropout.tracking.recording.claims import owner

    if session.fresh:  # its cells are its own
        return
    with suppress(TrackingError):  # of a store that is gone, the end of the run tells
        run.settle()
        own, others = concluded_beside(run.run_id)
        for theirs in others:
            verdict = theirs.data.tags[tags.VERDICT]
            display.note(
                f"{owner(theirs)} has concluded the study, too, in study run {theirs.info.run_id}, "
                + ("with the same verdict" if verdict == own else f"otherwise: {verdict}")
            )


def warnings_of(study: Study) -> list[str]:
    """What a person should know before the study runs."""
    rule, pairs, comparisons = study.decision, len(study.seeds), len(study.others)
    if study.split_seeds:  # there, no p is impossible
        freedom = min(pairs, len(study.splits)) - 1
        return [
            f"warning: {Count(pairs):seed|seeds} with each of {Count(len(study.splits))} splits "
            f"leave {Count(freedom):degree|degrees} of freedom to Student's t"
        ] * (len(study.splits) < FEW_SPLITS or pairs < FEW_SPLITS)
    least = smallest_p(pairs, comparisons)
    if least <= rule.alpha:
        return []
    needed = seeds_for(rule.alpha, comparisons)
    return [
        f"warning: {Count(pairs):seed|seeds} can give no p below {least:.2g}, and alpha is "
        f"{rule.alpha:g}: no difference can be shown; "
        + (
            f"at least {needed} are needed"
            if needed > pairs
            else "declare fewer regimes, or a larger alpha"
        )
    ]


def _interrupted(study: Study, experiment: str | None) -> str | None:
    """The study's own run, if an earlier call was killed; `mlflow run` has made a new one."""
    from fashion_dropout.tracking.reading import studies
    from fashion_dropout.tracking.recording.launched import launched_run_id
    from fashion_dropout.tracking.recording.opening import experiment_id
    from fashion_dropout.tracking.recording.processes import HOST, this_process

    if launched_run_id():
        return None
    own = {HOST: this_process()[HOST]}
    return studies.interrupted_study(study.key, experiment_id(experiment), own)
