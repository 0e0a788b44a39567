"""The training loop: epoch after epoch, the metrics of each, and going on from where it was."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, fields
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_dropout import seeds
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import CheckpointError, TrainingDivergedError
from fashion_dropout.learning.augmentation import epoch_seeds
from fashion_dropout.learning.compiled import Form, give_back, resident, take
from fashion_dropout.learning.dropout import of_epoch, set_masks
from fashion_dropout.learning.epoch_record import EpochRecord
from fashion_dropout.learning.examples import EVALUATED_TRAINING_IMAGES, Examples
from fashion_dropout.learning.schedule import learning_rates

_SECONDS_BETWEEN_LOOKS = 0.1
_HISTORY = "history"

Progress = Callable[[int, int], object]
Weights = list[NDArray[np.float32]]
State = Mapping[str, NDArray[Any]]


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
        self._last_weights: Weights = classifier.get_weights()
        self._best_weights: Weights = self._last_weights
        self._count = len(training)
        self._training = resident(training)
        self._evaluated = resident(training, EVALUATED_TRAINING_IMAGES)
        self._validation = resident(validation)
        self._compiled = take(Form.of(config))
        self._begin_at(classifier.get_weights())

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
        trained, averages = self._compiled.classifier, self._compiled.averages
        for epoch in range(len(self.records) + 1, self.config.epochs + 1):
            if self.stopped:
                return
            trained.set_weights(self._last_weights)
            seconds = self._run_epoch(epoch, progress)
            self._last_weights = trained.get_weights()
            if averages:
                trained.set_weights([average.numpy() for average in averages])
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

    @property
    def stopped(self) -> bool:
        """Whether ``patience`` ended the training before its last epoch."""
        patience, ended = self.config.patience, len(self.records)
        if not patience or not 0 < ended < self.config.epochs:
            return False
        return ended - self.best.epoch >= patience

    def restore_best(self) -> None:
        """Give the classifier the weights that it had after the best epoch."""
        self.classifier.set_weights(self._best_weights)

    def state(self) -> State:
        """All from which another trainer of the same configuration and data can go on to the same
        bits: weights, optimizer, averages of weights, the best epoch's weights and the records, one
        a row, as float64.

        No random state is part of it: order and masks are pure functions of seed and epoch.
        """
        history = np.array([astuple(record) for record in self.records], dtype=np.float64)
        optimizer = [variable.numpy() for variable in self._compiled.optimizer.variables]
        return {
            **_numbered("weights", self._last_weights),
            **_numbered("optimizer", optimizer),
            **_numbered("average", [average.numpy() for average in self._compiled.averages]),
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
        self._begin_at(_part(state, "weights"), _part(state, "average"))
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
        return seeds.permutation(self.config.seed_of("order"), f"shuffle/{epoch}", self._count)

    def _begin_at(self, weights: Weights, averages: Weights | None = None) -> None:
        """Go on from these weights; averages that there are none of yet begin with them."""
        evaluated = averages or weights
        for average, value in zip(self._compiled.averages, evaluated, strict=False):
            average.assign(value)
        self._last_weights = weights
        self.classifier.set_weights(evaluated)

    def _run_epoch(self, epoch: int, progress: Progress) -> float:
        compiled, config = self._compiled, self.config
        set_masks(compiled.dropouts, config.seed_of("masks"), of_epoch(epoch))
        compiled.done.assign(0)
        rates = learning_rates(config, epoch, self.batches)
        arguments = (
            *self._training,
            tf.constant(self.order_of_batches(epoch)),
            tf.constant(rates, tf.float32),
            tf.constant(epoch_seeds(config.augment, config.seed_of("augment"), epoch)),
        )
        # The epoch runs beside this thread, so that a signal or a look at the progress does not
        # have to wait for its end.
        with ThreadPoolExecutor(1, "epoch") as executor:
            started = time.perf_counter()
            running = executor.submit(compiled.train_epoch, *arguments)
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
            learning_rate=float(learning_rates(self.config, epoch, self.batches)[-1]),
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
