"""One training run: learning and tracking do not know each other, and meet here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_dropout import provenance
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import Interrupted, TrainingDivergedError
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.kernels import Kernels, foreseen
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import Split, split_of
from fashion_dropout.progress import Display
from fashion_dropout.runs.description import (
    conditions,
    describing_tags,
    description,
    page_beside,
    run_name,
)
from fashion_dropout.runs.identity import Identity
from fashion_dropout.runs.interrupted import interrupted_run
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

    Args:
        config: What decides the numbers.
        display: Told what happens.
        data_dir: A folder with the four archives; None to look in the usual places.
        experiment: The MLflow experiment; None for MLflow's own variables, else the project's.
        fresh: As for `record_run`, which also gives further errors.

    Raises:
        DataError: The dataset cannot be had; no run was made.
        TrackingError: The store does not answer; no run was made.
    """
    from fashion_dropout.tracking.recording.recovery import tidy
    from fashion_dropout.tracking.store.connect import connect

    dataset = data.open_dataset(config.dataset, data_dir, say=display.note)
    connect()
    tidy(display.note)
    return record_run(config, dataset, display, experiment=experiment, fresh=fresh)


def resume_run(run_id: str, display: Display, *, data_dir: Path | None = None) -> RunSummary:
    """Go on with an interrupted run, with the parameters that it was begun with.

    Args:
        run_id: Its id in MLflow.
        display: Told what happens.
        data_dir: As for `train_run`.

    Raises:
        UsageError: There is no such run among the interrupted ones, or not in this store.
    """
    from fashion_dropout.tracking.store.connect import connect

    run = interrupted_run(run_id)
    connect()
    return record_run(
        run.config,
        data.open_dataset(run.config.dataset, data_dir, say=display.note),
        display,
        regime=run.identity.regime,
        study_tags=run.study_tags,
        experiment=run.experiment,
        resume=run_id,
    )


def record_run(
    config: TrainingConfig,
    dataset: data.Dataset,
    display: Display,
    *,
    regime: str | None = None,
    study_tags: Mapping[str, str] | None = None,
    experiment: str | None = None,
    fresh: bool = False,
    resume: str | None = None,
    folder: Path | None = None,
) -> RunSummary:
    """As `train_run`, on a store that answers and a dataset that is open.

    A run of the same command that was interrupted goes on from its last checkpoint; one that has
    finished is not trained again.

    Args:
        config: What decides the numbers.
        dataset: The open dataset.
        display: Told what happens.
        regime: What the regime is called; None to name it after the dropout rate.
        study_tags: More tags of the run, those of its study.
        experiment: As for `train_run`.
        fresh: Train it from the first epoch, whatever was interrupted or has finished.
        resume: The id of the interrupted run that must be the one to go on; None for any.
        folder: Where interrupted runs are kept; None for the user's state folder.

    Raises:
        UsageError: TensorFlow already works with another number of threads in this process.
        CheckpointError: The interrupted run cannot go on, or another process trains it.
        TrackingError: MLflow refused something or went away.
        TrainingDivergedError: The loss is no longer finite; the run is FAILED.
    """
    from fashion_dropout.runs import resume as resuming
    from fashion_dropout.tracking.recording import previous
    from fashion_dropout.tracking.recording.run import tracked_run

    regime, study_tags = regime or config.regime, dict(study_tags or {})
    session = study_tags.get(tags.SESSION, "")
    split = split_of(dataset, config.split_seed)
    place = previous.place_of_next_run(experiment)

    def identity_with(kernels: Kernels) -> Identity:
        return Identity(
            place=place.digest,
            study=study_tags.get(tags.STUDY, ""),
            regime=regime,
            configuration=config.model_dump(),
            conditions=conditions(dataset.sha256, split.sha256, kernels),
        )

    # Starting TensorFlow takes seconds, which nobody should wait for to hear that all is done.
    if "tensorflow" not in sys.modules and (likely := foreseen(config.kernels, config.device)):
        with run_folder(identity_with(likely), folder) as kept:
            if done := resuming.nothing_left(kept, place.experiment_id, session, display, fresh):
                return summary_of(done, config)
    identity = identity_with(start_tensorflow(config.threads, config.kernels, config.device))
    name, git = run_name(config, regime), provenance.git_state()
    with run_folder(identity, folder) as kept:
        if done := resuming.nothing_left(kept, place.experiment_id, session, display, fresh):
            return summary_of(done, config)
        start = resuming.beginning(
            kept, place.experiment_id, config, display, session, fresh=fresh, wanted=resume
        )
        try:
            with tracked_run(
                name=name,
                description=description(
                    config, regime, dataset, page_beside(place.experiment_id, study_tags)
                ),
                experiment=experiment,
                monitored=True,
                params=config.model_dump(),
                tags={
                    **describing_tags(config, regime, dataset, git),
                    **identity.conditions,
                    **study_tags,
                    tags.BITS_SHA256: identity.bits,
                },
                resume=start.run_id,
            ) as run:
                continued = kept.begin(run.run_id, name, place.name, study_tags, start.epoch)
                if continued:
                    run.set_tags({tags.RESUMED: ", ".join(map(str, continued))})
                if start.replaces:
                    previous.give_up(start.replaces, f"continued in run {run.run_id}")
                run.log_text(provenance.frozen_requirements(), "requirements-frozen.txt")
                if git and git.dirty:
                    run.log_text(git.difference, "uncommitted.diff")
                summary = _train(run, config, dataset, split, display, name, kept, start)
        except TrainingDivergedError:
            kept.remove()  # it would diverge again
            raise
        except Interrupted as stop:
            if epoch := kept.last_epoch:
                without = ", without --fresh," if fresh else ""
                stop.add_note(f"the same command{without} continues it after epoch {epoch}")
            raise
        kept.remove()
        return summary


def _train(
    run: TrackedRun,
    config: TrainingConfig,
    dataset: data.Dataset,
    split: Split,
    display: Display,
    name: str,
    kept: RunFolder,
    start: Beginning,
) -> RunSummary:
    _log_dataset(run, dataset, split.training, "training")
    validation_input = _log_dataset(run, dataset, split.validation, "validation")

    from fashion_dropout.runs import steps  # imports TensorFlow

    images = f"{len(split.training):,} images of {dataset.name}"
    announced = f"training {name} on {images}"
    fitted = steps.fit(config, split, run, display, announced, kept, start.checkpoint)
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
    title = f"{name} on {dataset.name} (dropout {config.dropout:g})"
    artifacts = steps.evaluate(fitted, dataset.classes, split, test, title)
    test_metrics = artifacts.test_metrics()
    test_input = _log_dataset(run, dataset, test, "test")
    run.log_metrics(test_metrics, step=config.epochs, of_model=True, dataset=test_input)
    with run.artifacts() as folder:
        warnings = artifacts.write(folder)
    for warning in warnings:
        display.note(warning)
    return RunSummary(
        run.run_id, run.experiment_id, selected.epoch, {**selected.metrics(), **test_metrics}
    )


def _log_dataset(
    run: TrackedRun, dataset: data.Dataset, examples: data.Examples, context: str
) -> NumpyDataset:
    return run.log_dataset(
        examples.images,
        examples.labels,
        name=dataset.name,
        source=dataset.source,
        sha256=examples.sha256,
        context=context,
    )
