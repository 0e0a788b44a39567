"""The training loop: one compiled function an epoch, and the metrics of each epoch."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fashion_dropout import seeds
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import TrainingDivergedError
from fashion_dropout.learning.dataset import EVALUATED_TRAINING_IMAGES, Examples
from fashion_dropout.learning.dropout import dropout_layers, set_masks
from fashion_dropout.learning.inference import BATCH_SIZE

_SECONDS_BETWEEN_LOOKS = 0.1
_EXAMPLES = (tf.TensorSpec([None, 28, 28, 1], tf.uint8), tf.TensorSpec([None], tf.uint8))

Progress = Callable[[int, int], object]
Weights = list[NDArray[np.float32]]


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

    Args:
        classifier: A model from uint8 images to probabilities; its weights are changed.
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
        self._best: EpochRecord | None = None
        self._best_weights: Weights = []
        self._count = len(training)
        self._training = _resident(training)
        self._evaluated = _resident(training, EVALUATED_TRAINING_IMAGES)
        self._validation = _resident(validation)
        self._optimizer = keras.optimizers.Adam(config.learning_rate)
        self._optimizer.build(classifier.trainable_variables)
        self._dropouts = dropout_layers(classifier)
        self._done = tf.Variable(0, dtype=tf.int64)
        self._stop = tf.Variable(False)
        self._train_epoch = self._compile_epoch()
        self._evaluate = self._compile_evaluation()

    @property
    def batches(self) -> int:
        """Gradient steps in an epoch; the last may have fewer images."""
        return math.ceil(self._count / self.config.batch_size)

    def epochs(self, progress: Progress = lambda done, total: None) -> Iterator[EpochRecord]:
        """Train, epoch by epoch.

        Args:
            progress: Called about ten times a second with the batches done in this epoch and
                their number in all.

        Yields:
            The record of each epoch, from 1 on.

        Raises:
            TrainingDivergedError: A loss became infinite or not a number.
        """
        for epoch in range(1, self.config.epochs + 1):
            seconds = self._run_epoch(epoch, progress)
            record = self._measure(epoch, self._count / seconds)
            if self._best is None or record.val_loss < self._best.val_loss:
                self._best, self._best_weights = record, self.classifier.get_weights()
            yield record

    @property
    def best(self) -> EpochRecord:
        """The epoch with the lowest validation loss so far; the first of equals.

        Raises:
            ValueError: No epoch has ended.
        """
        if self._best is None:
            raise ValueError("expected at least one epoch to have ended, received none")
        return self._best

    def restore_best(self) -> None:
        """Give the classifier the weights that it had after the best epoch."""
        self.classifier.set_weights(self._best_weights)

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
        set_masks(self._dropouts, self.config.seed, f"dropout/{{layer}}/{epoch}")
        self._done.assign(0)
        images, labels = self._training
        order = tf.constant(self.order_of_batches(epoch))
        # The epoch runs beside this thread, so that a signal or a look at the progress does not
        # have to wait for its end.
        with ThreadPoolExecutor(1, "epoch") as executor:
            started = time.perf_counter()
            running = executor.submit(self._train_epoch, images, labels, order)
            try:
                while True:
                    try:
                        running.result(timeout=_SECONDS_BETWEEN_LOOKS)
                        return time.perf_counter() - started
                    except TimeoutError:
                        progress(int(self._done.numpy()), self.batches)
            except BaseException:
                self._stop.assign(True)
                raise

    def _measure(self, epoch: int, images_per_second: float) -> EpochRecord:
        train_loss, train_accuracy = self._evaluate(*self._evaluated)
        val_loss, val_accuracy = self._evaluate(*self._validation)
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

    def _compile_epoch(self) -> Any:
        # Neither the data nor this object is captured: what TensorFlow keeps of a function would
        # keep them too, and a worker that trains one run after another would grow by each.
        classifier, optimizer, done, stop = self.classifier, self._optimizer, self._done, self._stop
        variables, batch_size = classifier.trainable_variables, self.config.batch_size

        def train_epoch(images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor) -> None:
            count = tf.shape(order, out_type=tf.int64)[0]
            for start in tf.range(0, count, batch_size, dtype=tf.int64):
                if stop:
                    break
                batch = order[start : start + batch_size]
                with tf.GradientTape() as tape:
                    probabilities = classifier(tf.gather(images, batch), training=True)
                    loss = tf.reduce_mean(_losses(tf.gather(labels, batch), probabilities))
                gradients = tape.gradient(loss, variables)
                # Not `apply_gradients`: Keras 3.15.1 keeps the graph of each function in which that
                # was traced, 8 MiB a run. The operations and their bits are the same.
                for gradient, variable in zip(gradients, variables, strict=True):
                    optimizer.update_step(gradient, variable, optimizer.learning_rate)
                optimizer.iterations.assign_add(1)
                done.assign_add(1)

        # Traced here, so that the first epoch's speed is that of training alone.
        order = tf.TensorSpec([None], tf.int64)
        return tf.function(train_epoch).get_concrete_function(*_EXAMPLES, order)

    def _compile_evaluation(self) -> Any:
        classifier = self.classifier

        def evaluate(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            count = tf.shape(labels, out_type=tf.int64)[0]
            loss, hits = tf.constant(0.0, tf.float64), tf.constant(0, tf.int64)
            for start in tf.range(0, count, BATCH_SIZE, dtype=tf.int64):
                truth = labels[start : start + BATCH_SIZE]
                probabilities = classifier(images[start : start + BATCH_SIZE], training=False)
                loss += tf.reduce_sum(tf.cast(_losses(truth, probabilities), tf.float64))
                correct = tf.argmax(probabilities, axis=1) == tf.cast(truth, tf.int64)
                hits += tf.reduce_sum(tf.cast(correct, tf.int64))
            number = tf.cast(count, tf.float64)
            return loss / number, tf.cast(hits, tf.float64) / number

        return tf.function(evaluate).get_concrete_function(*_EXAMPLES)


def _resident(examples: Examples, limit: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.constant(examples.images[:limit]), tf.constant(examples.labels[:limit])


def _losses(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of each example. Inside a compiled function Keras takes the logits in front of
    the softmax for it, so that a small probability does not lose its digits; a test holds it to
    that.
    """
    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)
