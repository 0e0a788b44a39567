"""One training run: learning, tracking and comparison know nothing of each other and meet here.

TensorFlow, MLflow and Matplotlib are imported inside the functions that need them, so that bad
input is refused before anyone waits for an import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_dropout import provenance
from fashion_dropout.config import TrainingConfig
from fashion_dropout.display import Display
from fashion_dropout.learning import dataset as data

if TYPE_CHECKING:
    from mlflow.data.numpy_dataset import NumpyDataset

    from fashion_dropout.tracking.runs import TrackedRun

EXPERIMENT_DESCRIPTION = """\
**Does dropout change how a small convolutional network overfits Fashion-MNIST?**

Each run trains the same network under one regime (tag `regime`) and one seed (tag `seed`). Select
runs and open *Chart* to compare them; `gap/loss` = validation loss − training loss, both measured
with dropout off, is overfitting itself. Runs with the same seed began with the same weights and
saw the same batches.
"""


@dataclass(frozen=True)
class RunSummary:
    """What a finished run comes to."""

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

    connect()
    dataset = data.open_dataset(config.dataset, data_dir, say=display.note)
    return record_run(config, dataset, display, experiment=experiment)


def record_run(
    config: TrainingConfig,
    dataset: data.Dataset,
    display: Display,
    *,
    regime: str | None = None,
    tags: Mapping[str, str] | None = None,
    experiment: str | None = None,
) -> RunSummary:
    """As `train_run`, on a store that answers and a dataset that is open.

    Args:
        config: What decides the numbers.
        dataset: The open dataset.
        display: Told what happens.
        regime: What the study calls the regime; None to name it after the dropout rate.
        tags: More tags of the run, those of its study.
        experiment: As for `train_run`.
    """
    from fashion_dropout.tracking.runs import tracked_run

    regime = regime or config.regime
    git = provenance.git_state()
    with tracked_run(
        name=run_name(config, regime),
        description=_description(config, regime),
        experiment_description=EXPERIMENT_DESCRIPTION,
        experiment=experiment,
        params=config.model_dump(),
        tags={**_tags(config, dataset, git), "regime": regime, **(tags or {})},
    ) as run:
        run.log_text(provenance.frozen_requirements(), "requirements-frozen.txt")
        if git and git.dirty:
            run.log_text(git.difference, "uncommitted.diff")
        return _train(run, config, dataset, display, run_name(config, regime))


def run_name(config: TrainingConfig, regime: str | None = None) -> str:
    """``<regime>-seed<seed>``, and a warning behind it if the images are not the real ones."""
    name = f"{regime or config.regime}-seed{config.seed}"
    return name if config.dataset == data.FashionMnist.name else f"{name}-{config.dataset}"


def _description(config: TrainingConfig, regime: str) -> str:
    warning = (
        ""
        if config.dataset == data.FashionMnist.name
        else f"**{config.dataset} images: says nothing about Fashion-MNIST.** "
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
    config: TrainingConfig, dataset: data.Dataset, git: provenance.GitState | None
) -> dict[str, Any]:
    return {
        "role": "run",
        "seed": config.seed,
        "dataset": dataset.name,
        "dataset.sha256": dataset.sha256,
        "git.commit": git.commit if git else "unknown",
        "git.dirty": git.dirty if git else "unknown",
        "cpu": provenance.cpu(),
        **{f"version.{name}": version for name, version in provenance.versions().items()},
    }


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


def _train(
    run: TrackedRun, config: TrainingConfig, dataset: data.Dataset, display: Display, name: str
) -> RunSummary:
    training, validation = data.stratified_split(
        dataset.training(), dataset.validation_size, config.split_seed
    )
    _log_dataset(run, dataset, training, "training")
    validation_input = _log_dataset(run, dataset, validation, "validation")

    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(config.threads)
    import pandas as pd

    from fashion_dropout.learning.inference import predict
    from fashion_dropout.learning.model import build_classifier, build_network, describe_layers
    from fashion_dropout.learning.training import Trainer
    from fashion_dropout.outcome import RunOutcome
    from fashion_dropout.tracking.models import log_classifier

    classifier = build_classifier(build_network(config.dropout, config.seed))
    trainer = Trainer(classifier, training, validation, config)
    display.note(
        f"training {name} on {len(training):,} images of {dataset.name}, "
        f"{config.epochs} epochs of {trainer.batches} batches; run {run.run_id}"
    )
    # What makes two runs a pair: a study compares these, it does not assume them.
    run.set_tags(
        {
            "weights.initial.sha256": trainer.weights_sha256(),
            "batches.first_epoch.sha256": sha256(trainer.order_of_batches(1).data).hexdigest(),
            "split.sha256": data.split_sha256(training, validation),
        }
    )
    records = []
    for record in trainer.epochs(display.batches):
        run.log_metrics(record.metrics(), step=record.epoch)
        display.epoch(record.epoch, record.metrics())
        records.append(record)
    best, last = trainer.best, records[-1]
    selected = best if config.select == "best" else last
    if selected is best:
        trainer.restore_best()
    # Figures of the best epoch stand at its step: a model takes over what stands at its own.
    run.log_metrics(
        {
            "best/epoch": best.epoch,
            "best/val_loss": best.val_loss,
            "best/val_accuracy": best.val_accuracy,
        },
        step=best.epoch,
        dataset=validation_input,
    )
    run.log_metrics({"val_rebound": last.val_loss - best.val_loss}, step=last.epoch)
    model = log_classifier(
        classifier,
        classes=dataset.classes,
        example=validation.images[:2],
        step=selected.epoch,
        params={**config.model_dump(), "epoch": selected.epoch},
        tags={"dataset": dataset.name, "dataset.sha256": dataset.sha256},
    )
    test = dataset.test()  # read here and nowhere before: training and selection have ended
    outcome = RunOutcome(
        title=f"{name} on {dataset.name} (dropout {config.dropout:g})",
        classes=dataset.classes,
        history=pd.DataFrame([{"epoch": record.epoch, **record.metrics()} for record in records]),
        best_epoch=best.epoch,
        selected_epoch=selected.epoch,
        test=test,
        test_probabilities=predict(classifier, test.images),
        validation=validation,
        validation_probabilities=predict(classifier, validation.images),
        model_summary=describe_layers(classifier),
    )
    test_metrics = outcome.test_metrics()
    run.log_metrics(
        test_metrics,
        step=config.epochs,
        model=model,
        dataset=_log_dataset(run, dataset, test, "test"),
    )
    with run.artifacts() as folder:
        outcome.write(folder)
    return RunSummary(
        run.run_id, run.experiment_id, selected.epoch, {**selected.metrics(), **test_metrics}
    )
