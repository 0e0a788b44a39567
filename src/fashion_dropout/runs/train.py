"""One training run: learning and tracking do not know each other, and meet here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_dropout import provenance
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.kernels import Kernels
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import split_of
from fashion_dropout.progress import Display
from fashion_dropout.tracking import tags

if TYPE_CHECKING:
    from mlflow.data.numpy_dataset import NumpyDataset

    from fashion_dropout.tracking.recording import TrackedRun


@dataclass(frozen=True)
class RunSummary:
    """The result of a finished run.

    Attributes:
        run_id: In MLflow.
        experiment_id: In MLflow.
        selected_epoch: The epoch whose model is stored.
        metrics: The metrics of that epoch, and the test metrics.
    """

    run_id: str
    experiment_id: str
    selected_epoch: int
    metrics: dict[str, float]


def train_run(
    config: TrainingConfig,
    display: Display,
    *,
    data_dir: Path | None = None,
    experiment: str | None = None,
) -> RunSummary:
    """Find store and data, then train one network and record everything about it in MLflow.

    Args:
        config: What decides the numbers.
        display: Told what happens.
        data_dir: A folder with the four archives; None to look in the usual places.
        experiment: The MLflow experiment; None for MLflow's own variables, else the project's.

    Raises:
        DataError: The dataset cannot be had; no run was made.
        TrackingError: The store does not answer; no run was made.
        TrainingDivergedError: The loss is no longer finite; the run is FAILED.
    """
    from fashion_dropout.tracking.store import connect
    from fashion_dropout.tracking.upkeep import tidy

    connect()
    tidy(display.note)
    dataset = data.open_dataset(config.dataset, data_dir, say=display.note)
    return record_run(config, dataset, display, experiment=experiment)


def record_run(
    config: TrainingConfig,
    dataset: data.Dataset,
    display: Display,
    *,
    regime: str | None = None,
    study_tags: Mapping[str, str] | None = None,
    experiment: str | None = None,
) -> RunSummary:
    """As `train_run`, on a store that answers and a dataset that is open.

    Args:
        config: What decides the numbers.
        dataset: The open dataset.
        display: Told what happens.
        regime: What the study calls the regime; None to name it after the dropout rate.
        study_tags: More tags of the run, those of its study.
        experiment: As for `train_run`.

    Raises:
        UsageError: TensorFlow already works with another number of threads in this process.
        TrackingError: MLflow refused something or went away.
        TrainingDivergedError: The loss is no longer finite; the run is FAILED.
    """
    from fashion_dropout.tracking.runs import tracked_run

    regime = regime or config.regime
    git = provenance.git_state()
    with tracked_run(
        name=run_name(config, regime),
        description=_description(config, regime, dataset),
        experiment=experiment,
        params=config.model_dump(),
        tags={**_tags(config, regime, dataset, git), **(study_tags or {})},
    ) as run:
        run.log_text(provenance.frozen_requirements(), "requirements-frozen.txt")
        if git and git.dirty:
            run.log_text(git.difference, "uncommitted.diff")
        return _train(run, config, dataset, display, run_name(config, regime))


def run_name(config: TrainingConfig, regime: str) -> str:
    """``<regime>-seed<seed>``; generated images are named behind it, as a warning."""
    name = f"{regime}-seed{config.seed}"
    return f"{name}-{config.dataset}" if data.DATASETS[config.dataset].generated else name


def kernel_tags(kernels: Kernels) -> dict[str, str]:
    """The tags that say what a run was computed with."""
    return {
        tags.ONEDNN: "on" if kernels.onednn else "off",
        tags.INSTRUCTION_SET: kernels.instruction_set,
        tags.DEVICE: kernels.device,
    }


def _train(
    run: TrackedRun, config: TrainingConfig, dataset: data.Dataset, display: Display, name: str
) -> RunSummary:
    split = split_of(dataset, config.split_seed)
    _log_dataset(run, dataset, split.training, "training")
    validation_input = _log_dataset(run, dataset, split.validation, "validation")

    kernels = start_tensorflow(config.threads, config.kernels, config.device)
    run.set_tags(kernel_tags(kernels))
    from fashion_dropout.runs import steps  # imports TensorFlow

    images = f"{len(split.training):,} images of {dataset.name}"
    fitted = steps.fit(config, split, run, display, f"training {name} on {images}")
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
        artifacts.write(folder)
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


def _description(config: TrainingConfig, regime: str, dataset: data.Dataset) -> str:
    warning = (
        f"**{dataset.name} images: says nothing about Fashion-MNIST.** "
        if dataset.generated
        else ""
    )
    return (
        f"{warning}Regime `{regime}` (dropout {config.dropout:g}), seed {config.seed}, "
        f"{config.epochs} epochs of Adam at {config.learning_rate:g}, batches of "
        f"{config.batch_size}; the stored model is that of the {config.select} epoch. "
        f"`train/loss` and `train/accuracy` are measured on the first "
        f"{data.EVALUATED_TRAINING_IMAGES:,} images of the training split, or "
        "on all if there are fewer, "
        "with dropout off.\n\n"
        "Look at `curves.png` for how it learned, at `gap/loss` for how it overfits, and at "
        "`misclassified.png` for what it gets wrong."
    )


def _tags(
    config: TrainingConfig, regime: str, dataset: data.Dataset, git: provenance.GitState | None
) -> dict[str, Any]:
    return {
        tags.ROLE: tags.RUN,
        tags.REGIME: regime,
        tags.SEED: config.seed,
        tags.DATASET: dataset.name,
        tags.DATASET_SHA256: dataset.sha256,
        tags.GIT_COMMIT: git.commit if git else "unknown",
        tags.GIT_DIRTY: git.dirty if git else "unknown",
        tags.CPU: provenance.cpu(),
        **{tags.version_of(name): version for name, version in provenance.versions().items()},
    }
