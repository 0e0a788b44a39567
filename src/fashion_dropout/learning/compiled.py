"""The compiled functions of a training: one epoch of gradient steps, and an evaluation.

Neither the data nor a trainer is captured by them: what TensorFlow keeps of a function would keep
them too, and a worker that trains one run after another would grow by each.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from fashion_dropout.learning.dataset import Examples
from fashion_dropout.learning.inference import BATCH_SIZE

_EXAMPLES = (tf.TensorSpec([None, 28, 28, 1], tf.uint8), tf.TensorSpec([None], tf.uint8))


def resident(examples: Examples, limit: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """The first `limit` images and labels as tensors; None for all."""
    return tf.constant(examples.images[:limit]), tf.constant(examples.labels[:limit])


def compile_epoch(
    classifier: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    done: tf.Variable,
    stop: tf.Variable,
    batch_size: int,
) -> Any:
    """A function that trains for one epoch.

    Args:
        classifier: Its weights are changed.
        optimizer: Built for them.
        done: int64, counts the batches.
        stop: bool; when it becomes true, the epoch ends after the present batch.
        batch_size: Images in a batch; the last of an epoch may have fewer.

    Returns:
        A function of images, uint8 (n, 28, 28, 1), labels, uint8 (n,), and their order, int64 (n,).
    """
    variables = classifier.trainable_variables

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


def compile_evaluation(classifier: keras.Model) -> Any:
    """A function of images and labels, as in `compile_epoch`, that gives the mean cross-entropy in
    nats and the share that is classified correctly, both float64.
    """

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


def _losses(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of each example. Inside a compiled function Keras takes the logits in front of
    the softmax for it, so that a small probability does not lose its digits; a test holds it to
    that.
    """
    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)
