"""One training run: learning and tracking do not know each other, and meet here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_dropout import provenance
from fashion_dropout.config.cell import cell_name
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import Interrupted, TrainingDivergedError
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.examples import Examples
from fashion_dropout.learning.kernels import foreseen
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import split_of
from fashion_dropout.progress import Display
from fashion_dropout.runs.description import describing_tags, description, page_beside
from fashion_dropout.runs.interrupted import interrupted_run
from fashion_dropout.runs.request import RunRequest, Surroundings
from fashion_dropout.runs.run_folder import RunFolder, run_folder
from fashion_dropout.runs.summary import RunSummary, summary_of
from fashion_dropout.tracking.store import tags

if TYPE_CHECKING:
    from mlflow.data.numpy_dataset import NumpyDataset

    from fashion_dropout.runs.resume import Beginning
    from fashion_dropout.tracking.recording.tracked_run import TrackedRun


def train_run(
    config: TrainingConfig,
    display: Display,
    *,
    data_dir: Path | None = None,
    experiment: str | None = None,
    fresh: bool = False,
) -> RunSummary:
    """Find store and data, then train one network and record everything about it in MLflow.

    The folder of the data is as for `learning.dataset.open_dataset`, experiment and `fresh` are as
    for `RunRequest`; `record_run` gives further errors.

    Raises:
        UsageError: Two parameters contradict each other; no run was made.
        DataError: The dataset cannot be had; no run was made.
        TrackingError: The store does not answer; no run was made.
    """
    from fashion_dropout.tracking.recording.recovery import tidy
    from fashion_dropout.tracking.store.connect import connect

    config.check()
    dataset = data.open_dataset(config.dataset, data_dir, say=display.note)
    connect()
    tidy(display.note)
    request = RunRequest(config, config.regime, experiment=experiment, fresh=fresh)
    return record_run(request, dataset, display)


def resume_run(run_id: str, display: Display, *, data_dir: Path | None = None) -> RunSummary:
    """Go on with an interrupted run, with the parameters that it was begun with.

    Raises:
        UsageError: There is no such run among the interrupted ones, or not in this store; or the
            images of the user's own are others.
    """
    from fashion_dropout.tracking.store.connect import connect

    run = interrupted_run(run_id)
    connect()
    images = run.identity.conditions[tags.DATASET_SHA256]
    dataset = data.open_dataset(run.config.dataset, data_dir, display.note, recorded=images)
    cell = cell_name(run.identity.regime, run.config.seed)
    named = {tags.CELL: cell} if run.study_tags else {}  # begun before cells of one split had it
    request = RunRequest(
        run.config,
        run.identity.regime,
        study_tags={**named, **run.study_tags},
        experiment=run.experiment,
        resume=run_id,
    )
    return record_run(request, dataset, display)


def record_run(request: RunRequest, dataset: data.Dataset, display: Display) -> RunSummary:
    """Train one network and record it, on a store that answers and a dataset that is open.

    A run of the same command that was interrupted goes on from its last checkpoint; one that has
    finished is not trained again.

    Raises:
        UsageError: TensorFlow already works with another number of threads in this process.
        CheckpointError: The interrupted run cannot go on, or (`ClaimedError`) another trains it.
        TrackingError: MLflow refused something or went away.
        TrainingDivergedError: The loss is no longer finite; the run is FAILED.
    """
    from fashion_dropout.runs.resume import beginning, nothing_left
    from fashion_dropout.tracking.recording.previous import place_of_next_run

    config = request.config
    split = split_of(dataset, config.seed_of("split"))
    surroundings = Surroundings(dataset, split, place_of_next_run(request.experiment))
    if summary := _foreseen_to_be_finished(request, surroundings, display):
        return summary
    kernels = start_tensorflow(config.threads, config.kernels, config.device)
    with run_folder(surroundings.identity(request, kernels), request.folder) as folder:
        if done := nothing_left(request, surroundings, folder, display):
            return summary_of(done, config)
        start = beginning(request, surroundings.place, folder, display)
        try:
            with _opened(request, surroundings, folder, start) as run:
                summary = _train(run, request, surroundings, folder, start, display)
        except TrainingDivergedError:
            folder.remove()  # it would diverge again
            raise
        except Interrupted as stop:
            if epoch := folder.last_epoch:
                without = ", without --fresh," if request.fresh else ""
                stop.add_note(f"the same command{without} continues it after epoch {epoch}")
            raise
        folder.remove()
        return summary


def _foreseen_to_be_finished(
    request: RunRequest, surroundings: Surroundings, display: Display
) -> RunSummary | None:
    """The summary of a run that has finished with the kernels that TensorFlow will choose.

    Starting TensorFlow takes seconds, which nobody should wait for to hear that all is done.
    """
    from fashion_dropout.runs.resume import nothing_left

    config = request.config
    if "tensorflow" in sys.modules or not (likely := foreseen(config.kernels, config.device)):
        return None
    with run_folder(surroundings.identity(request, likely), request.folder) as folder:
        done = nothing_left(request, surroundings, folder, display)
    return summary_of(done, config) if done else None


@contextmanager
def _opened(
    request: RunRequest, surroundings: Surroundings, folder: RunFolder, start: Beginning
) -> Iterator[TrackedRun]:
    """The run in MLflow, with its description, parameters, tags and provenance."""
    from fashion_dropout.tracking.recording.previous import give_up
    from fashion_dropout.tracking.recording.run import tracked_run

    config, regime, git = request.config, request.regime, provenance.git_state()
    beside = page_beside(surroundings.place.experiment_id, request.study_tags)
    with tracked_run(
        name=request.name,
        description=description(config, regime, surroundings.dataset, beside),
        experiment=surroundings.place,
        monitored=True,
        params=config.model_dump(),
        tags={
            **describing_tags(config, regime, surroundings.dataset, git),
            **folder.identity.conditions,
            **request.study_tags,
            tags.BITS_SHA256: folder.identity.bits,
        },
        resume=start.run_id,
    ) as run:
        run.hold(surroundings.claim(request))
        continued = folder.begin(
            run.run_id, request.name, surroundings.place.name, request.study_tags, start.epoch
        )
        if continued:
            run.set_tags({tags.RESUMED: ", ".join(map(str, continued))})
        if start.replaces:
            give_up(start.replaces, f"continued in run {run.run_id}")
        run.log_text(provenance.frozen_requirements(), "requirements-frozen.txt")
        if git and git.dirty:
            run.log_text(git.difference, "uncommitted.diff")
        yield run


def _train(
    run: TrackedRun,
    request: RunRequest,
    surroundings: Surroundings,
    folder: RunFolder,
    start: Beginning,
    display: Display,
) -> RunSummary:
    config, dataset, split = request.config, surroundings.dataset, surroundings.split
    _log_dataset(run, dataset, split.training, "training")
    validation_input = _log_dataset(run, dataset, split.validation, "validation")
    from fashion_dropout.runs import steps  # imports TensorFlow

    announced = f"training {request.name} on {len(split.training):,} images of {dataset.name}"
    fitted = steps.fit(config, split, run, display, announced, folder, start.checkpoint)
    best, last, selected = fitted.best, fitted.records[-1], fitted.selected
    # MLflow gives a model the metrics that are recorded at the model's own step.
    run.log_metrics(
        {
            "best/epoch": best.epoch,
            "best/val_loss": best.val_loss,
            "best/val_accuracy": best.val_accuracy,
        },
        step=best.epoch,
        dataset=validation_input,
    )
    run.log_metrics({"val_rebound": fitted.val_rebound}, step=last.epoch)

    steps.store(fitted, config, dataset, split, run)

    test = dataset.test()  # read here and nowhere before: training and selection have ended
    title = f"{request.name} on {dataset.title} ({config.regularization})"
    artifacts = steps.evaluate(fitted, dataset.classes, split, test, title)
    test_metrics = artifacts.test_metrics()
    test_input = _log_dataset(run, dataset, test, "test")
    run.log_metrics(test_metrics, step=last.epoch, of_model=True, dataset=test_input)
    with run.artifacts() as files:
        warnings = artifacts.write(files)
    for warning in warnings:
        display.note(warning)
    figures = {**selected.metrics(), **test_metrics}
    return RunSummary(run.run_id, run.experiment_id, selected.epoch, figures)


def _log_dataset(
    run: TrackedRun, dataset: data.Dataset, examples: Examples, context: str
) -> NumpyDataset:
    return run.log_dataset(
        examples.images,
        examples.labels,
        name=dataset.name,
        source=dataset.source,
        sha256=examples.sha256,
        context=context,
    )
