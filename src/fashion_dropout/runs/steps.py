"""The three steps of a run: fit a network, store its model, evaluate it on the test set.

This module imports TensorFlow. `learning.runtime.start_tensorflow` must be called before it is
imported, so it is imported late, by `runs.train` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import keras
import pandas as pd

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.augmentation import draws_sha256
from fashion_dropout.learning.checkpoint import Checkpoint
from fashion_dropout.learning.dropout import masks_sha256, of_epoch
from fashion_dropout.learning.epoch_record import EpochRecord
from fashion_dropout.learning.examples import Examples
from fashion_dropout.learning.inference import predict
from fashion_dropout.learning.model import (
    CLASSIFIER,
    build_classifier,
    build_network,
    describe_layers,
)
from fashion_dropout.learning.split import Split
from fashion_dropout.learning.training import Trainer
from fashion_dropout.progress import Display
from fashion_dropout.runs.artifacts import RunArtifacts
from fashion_dropout.runs.run_folder import RunFolder
from fashion_dropout.texts import Count
from fashion_dropout.tracking.models.save import save_classifier
from fashion_dropout.tracking.recording.tracked_run import TrackedRun
from fashion_dropout.tracking.store import tags


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and how it got there.

    Attributes:
        classifier: From uint8 (n, 28, 28, 1) to float32 (n, 10), with the weights of `selected`.
        best: The epoch of the lowest validation loss.
        selected: The epoch whose weights the classifier has.
    """

    classifier: keras.Model
    records: tuple[EpochRecord, ...]
    best: EpochRecord
    selected: EpochRecord

    @property
    def val_rebound(self) -> float:
        """Validation loss of the last epoch − validation loss of the best one, in nats."""
        return self.records[-1].val_loss - self.best.val_loss

    @property
    def history(self) -> pd.DataFrame:
        """A row an epoch, with the column epoch and one for each metric."""
        return pd.DataFrame(
            [{"epoch": record.epoch, **record.metrics()} for record in self.records]
        )


def fit(
    config: TrainingConfig,
    split: Split,
    run: TrackedRun,
    display: Display,
    announced: str,
    folder: RunFolder,
    checkpoint: Checkpoint | None,
) -> Fitted:
    """Train one network, and keep each epoch: first a checkpoint of it, then its metrics.

    So the metrics of an epoch can be missing after an interruption, and are written again from the
    checkpoint; an epoch that has no checkpoint is trained again.

    Without a checkpoint to go on from, it begins. What is `announced` is shown when the training
    starts, followed by the number of batches.

    Raises:
        CheckpointError: A checkpoint cannot be written, or belongs to another network.
        TrainingDivergedError: The loss is no longer finite.
    """
    classifier = build_classifier(build_network(config.dropout, config.seed_of("init")))
    trainer = Trainer(classifier, split.training, split.validation, config)
    display.note(
        f"{announced}, {Count(config.epochs):epoch|epochs} of "
        f"{Count(trainer.batches):batch|batches}; run {run.run_id}"
    )
    run.set_tags(_first_draws(trainer, config))
    if checkpoint is not None:
        trainer.restore(checkpoint.arrays)
        for record in trainer.records:
            run.log_metrics(record.metrics(), step=record.epoch)
        display.epoch(checkpoint.epoch, trainer.records[-1].metrics())
    for record in trainer.epochs(display.batches):
        folder.save(record.epoch, trainer.state())
        run.log_metrics(record.metrics(), step=record.epoch)
        display.epoch(record.epoch, record.metrics())
    best, last = trainer.best, trainer.records[-1]
    run.set_tags({tags.WEIGHTS_SHA256: trainer.weights_sha256()})
    if trainer.stopped:
        run.set_tags({tags.STOPPED: last.epoch})
        display.note(
            f"stopped after epoch {last.epoch} of {config.epochs}: no validation loss below that "
            f"of epoch {best.epoch} in {Count(config.patience):epoch|epochs}"
        )
    if config.select == "best":
        trainer.restore_best()
    trainer.close()
    selected = best if config.select == "best" else last
    return Fitted(classifier, tuple(trainer.records), best, selected)


def _first_draws(trainer: Trainer, config: TrainingConfig) -> dict[str, str]:
    """The digests of what a run draws first. A study compares them: that two runs are a pair, and
    that nothing moves that should not, is shown, not assumed.
    """
    masks = masks_sha256(trainer.classifier, config.seed_of("masks"), of_epoch(1))
    return {
        tags.INITIAL_WEIGHTS_SHA256: trainer.weights_sha256(),
        tags.FIRST_BATCHES_SHA256: sha256(trainer.order_of_batches(1).data).hexdigest(),
        tags.FIRST_MASKS_SHA256: masks,
        tags.FIRST_AUGMENTATION_SHA256: draws_sha256(config.seed_of("augment")),
    }


def store(
    fitted: Fitted, config: TrainingConfig, dataset: data.Dataset, split: Split, run: TrackedRun
) -> None:
    """Store the classifier as the model of its run."""
    epoch = fitted.selected.epoch
    if dataset.name != data.FashionMnist.name:  # its bare file must not be taken for one of these
        fitted.classifier.name = f"{CLASSIFIER}_of_{dataset.name}"
    with run.model(
        step=epoch,
        params={**config.model_dump(), "epoch": epoch},
        tags={tags.DATASET: dataset.name, tags.DATASET_SHA256: dataset.sha256},
    ) as folder:
        save_classifier(
            fitted.classifier,
            folder,
            classes=dataset.classes,
            example=split.validation.images[:2],
        )


def evaluate(
    fitted: Fitted, classes: tuple[str, ...], split: Split, test: Examples, title: str
) -> RunArtifacts:
    """Predict the validation and the test images; the title is that of the run's figures."""
    return RunArtifacts(
        title=title,
        classes=classes,
        history=fitted.history,
        best_epoch=fitted.best.epoch,
        selected_epoch=fitted.selected.epoch,
        test=test,
        test_probabilities=predict(fitted.classifier, test.images),
        validation=split.validation,
        validation_probabilities=predict(fitted.classifier, split.validation.images),
        model_summary=describe_layers(fitted.classifier),
    )
