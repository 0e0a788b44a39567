"""The training loop: epoch after epoch, the metrics of each, and going on from where it was."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_dropout import seeds
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import CheckpointError, TrainingDivergedError
from fashion_dropout.learning.compiled import Form, give_back, resident, take
from fashion_dropout.learning.dropout import set_masks
from fashion_dropout.learning.examples import EVALUATED_TRAINING_IMAGES, Examples

_SECONDS_BETWEEN_LOOKS = 0.1
_HISTORY = "history"

Progress = Callable[[int, int], object]
Weights = list[NDArray[np.float32]]
State = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class EpochRecord:
    """The metrics of one epoch, all but the speed measured with dropout off.

    Attributes:
        epoch: Counted from 1.
        train_loss: Mean cross-entropy of the evaluated training images, in nats.
        train_accuracy: Share of them that is classified correctly.
        val_loss: Mean cross-entropy of the validation images, in nats.
        val_accuracy: Share of them that is classified correctly.
        learning_rate: Adam's learning rate.
        images_per_second: Training images a second, evaluation not counted.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    images_per_second: float

    def metrics(self) -> dict[str, float]:
        """The record under the names that MLflow shows."""
        return {
            "train/loss": self.train_loss,
            "train/accuracy": self.train_accuracy,
            "val/loss": self.val_loss,
            "val/accuracy": self.val_accuracy,
            "gap/loss": self.val_loss - self.train_loss,
            "gap/accuracy": self.train_accuracy - self.val_accuracy,
            "speed/images_per_second": self.images_per_second,
            "learning_rate": self.learning_rate,
        }


class Trainer:
    """Trains one classifier; `epochs` does the work, one record at a time.

    Attributes:
        classifier: With the weights after the last epoch that has ended.
        records: One for each epoch that has ended.

    Args:
        classifier: As `build_classifier` gives it for the configuration; its weights are changed.
        training: The training split.
        validation: The validation split.
        config: Epochs, batch size, learning rate and seed are taken from it.
    """

    def __init__(
        self,
        classifier: keras.Model,
        training: Examples,
        validation: Examples,
        config: TrainingConfig,
    ) -> None:
        self.classifier = classifier
        self.config = config
        self.records: list[EpochRecord] = []
        self._best_weights: Weights = classifier.get_weights()
        self._count = len(training)
        self._training = resident(training)
        self._evaluated = resident(training, EVALUATED_TRAINING_IMAGES)
        self._validation = resident(validation)
        self._compiled = take(Form(config.dropout, config.batch_size), config.learning_rate)

    @property
    def batches(self) -> int:
        """Gradient steps in an epoch; the last may have fewer images."""
        return math.ceil(self._count / self.config.batch_size)

    def epochs(self, progress: Progress = lambda done, total: None) -> Iterator[EpochRecord]:
        """Train the epochs that have not ended yet, one by one.

        Args:
            progress: Called about ten times a second with the batches done in this epoch and
                their number in all.

        Yields:
            The record of each of them; the first epoch is 1.

        Raises:
            TrainingDivergedError: A loss became infinite or not a number.
        """
        trained = self._compiled.classifier
        for epoch in range(len(self.records) + 1, self.config.epochs + 1):
            trained.set_weights(self.classifier.get_weights())
            seconds = self._run_epoch(epoch, progress)
            record = self._measure(epoch, self._count / seconds)
            self.records.append(record)
            self.classifier.set_weights(trained.get_weights())
            if self.best is record:
                self._best_weights = self.classifier.get_weights()
            yield record

    def close(self) -> None:
        """Let another run use what was compiled for this one, which is over."""
        give_back(self._compiled)

    @property
    def best(self) -> EpochRecord:
        """The epoch with the lowest validation loss so far; the first of equals.

        Raises:
            ValueError: No epoch has ended.
        """
        if not self.records:
            raise ValueError("expected at least one epoch to have ended, received none")
        return min(self.records, key=lambda record: record.val_loss)

    def restore_best(self) -> None:
        """Give the classifier the weights that it had after the best epoch."""
        self.classifier.set_weights(self._best_weights)

    def state(self) -> State:
        """All from which another trainer of the same configuration and data can go on to the same
        bits: weights, optimizer, the best epoch's weights and the records, one a row, as float64.

        No random state is part of it: order and masks are pure functions of seed and epoch.
        """
        history = np.array([astuple(record) for record in self.records], dtype=np.float64)
        optimizer = [variable.numpy() for variable in self._compiled.optimizer.variables]
        return {
            **_numbered("weights", self.classifier.get_weights()),
            **_numbered("optimizer", optimizer),
            **_numbered("best", self._best_weights),
            _HISTORY: history.reshape(-1, len(fields(EpochRecord))),
        }

    def restore(self, state: State) -> None:
        """Go on from where another trainer was.

        Args:
            state: What `state` gave there.

        Raises:
            CheckpointError: It belongs to another network or optimizer; nothing is changed.
        """
        if _forms(state) != _forms(self.state()):
            raise CheckpointError(
                "expected a checkpoint of this network and its optimizer, received arrays of other "
                "names, shapes or dtypes"
            )
        self.classifier.set_weights(_part(state, "weights"))
        optimizer = self._compiled.optimizer.variables
        for variable, value in zip(optimizer, _part(state, "optimizer"), strict=True):
            variable.assign(value)
        self._best_weights = _part(state, "best")
        self.records = [EpochRecord(int(row[0]), *row[1:]) for row in state[_HISTORY].tolist()]

    def weights_sha256(self) -> str:
        """SHA-256 of the classifier's present weights, in the order of its layers."""
        digest = hashlib.sha256()
        for weights in self.classifier.get_weights():
            digest.update(np.ascontiguousarray(weights).data)
        return digest.hexdigest()

    def order_of_batches(self, epoch: int) -> NDArray[np.int64]:
        """The order in which `epoch` visits the training images, int64 of shape (n,)."""
        return seeds.permutation(self.config.seed, f"shuffle/{epoch}", self._count)

    def _run_epoch(self, epoch: int, progress: Progress) -> float:
        compiled = self._compiled
        set_masks(compiled.dropouts, self.config.seed, f"dropout/{{layer}}/{epoch}")
        compiled.done.assign(0)
        images, labels = self._training
        order = tf.constant(self.order_of_batches(epoch))
        # The epoch runs beside this thread, so that a signal or a look at the progress does not
        # have to wait for its end.
        with ThreadPoolExecutor(1, "epoch") as executor:
            started = time.perf_counter()
            running = executor.submit(compiled.train_epoch, images, labels, order)
            try:
                while True:
                    try:
                        running.result(timeout=_SECONDS_BETWEEN_LOOKS)
                        return time.perf_counter() - started
                    except TimeoutError:
                        progress(int(compiled.done.numpy()), self.batches)
            except BaseException:
                compiled.stop.assign(True)
                raise

    def _measure(self, epoch: int, images_per_second: float) -> EpochRecord:
        train_loss, train_accuracy = self._compiled.evaluate(*self._evaluated)
        val_loss, val_accuracy = self._compiled.evaluate(*self._validation)
        for what, loss in (("training", float(train_loss)), ("validation", float(val_loss))):
            if not math.isfinite(loss):
                raise TrainingDivergedError(
                    f"expected a finite {what} loss, received {loss} after epoch {epoch}; "
                    f"try a learning rate below {self.config.learning_rate:g}"
                )
        return EpochRecord(
            epoch=epoch,
            train_loss=float(train_loss),
            train_accuracy=float(train_accuracy),
            val_loss=float(val_loss),
            val_accuracy=float(val_accuracy),
            learning_rate=self.config.learning_rate,
            images_per_second=images_per_second,
        )


def _numbered(part: str, arrays: Sequence[NDArray[Any]]) -> State:
    return {f"{part}/{number:03d}": array for number, array in enumerate(arrays)}


def _part(state: State, part: str) -> list[NDArray[Any]]:
    return [state[name] for name in sorted(state) if name.startswith(f"{part}/")]


def _forms(state: State) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names, dtypes and shapes; the history has a row an epoch, however many."""
    return {
        name: (array.dtype.str, array.shape[1 if name == _HISTORY else 0 :])
        for name, array in state.items()
    }
