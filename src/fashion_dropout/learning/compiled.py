"""The compiled functions of a training: one epoch of gradient steps, and an evaluation.

To trace and optimize them takes TensorFlow longer than the epochs of a short run, and they depend
on nothing but the rate of dropout and the batch size. So a process that trains one run after
another, such as a worker of a study, uses them again: `take` gives what is idle, as if it were new.

The data are not captured by them: what TensorFlow keeps of a function would keep the data, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fashion_dropout.learning.dropout import dropout_layers
from fashion_dropout.learning.examples import Examples
from fashion_dropout.learning.inference import BATCH_SIZE
from fashion_dropout.learning.model import build_classifier, build_network

_EXAMPLES = (tf.TensorSpec([None, 28, 28, 1], tf.uint8), tf.TensorSpec([None], tf.uint8))


@dataclass(frozen=True)
class Form:
    """What the compiled functions of two runs must have in common to be the same.

    Attributes:
        dropout: The rate of the Dropout layer: a constant of the compiled function.
        batch_size: Images in a batch; the last of an epoch may have fewer.
    """

    dropout: float
    batch_size: int


@dataclass(frozen=True)
class CompiledTraining:
    """A classifier and its optimizer, with the functions that were compiled for them.

    Attributes:
        form: Of what they were made.
        classifier: Its weights are those of whoever has taken this.
        optimizer: Adam, built for them.
        dropouts: The layers that draw masks.
        done: int64, counts the batches of an epoch.
        stop: bool; when it becomes true, the epoch ends after the present batch.
        train_epoch: A function of images, uint8 (n, 28, 28, 1), labels, uint8 (n,), and their
            order, int64 (n,), that trains for one epoch.
        evaluate: A function of images and labels that gives the mean cross-entropy in nats and the
            share that is classified correctly, both float64.
    """

    form: Form
    classifier: keras.Model
    optimizer: keras.optimizers.Optimizer
    dropouts: list[keras.layers.Dropout]
    done: tf.Variable
    stop: tf.Variable
    train_epoch: Any
    evaluate: Any

    def begin(self, learning_rate: float) -> None:
        """Forget the steps of whoever had this before: Adam's moments and their number."""
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self.optimizer.learning_rate.assign(learning_rate)


_idle: dict[Form, CompiledTraining] = {}


def take(form: Form, learning_rate: float) -> CompiledTraining:
    """What trains runs of this form: nobody else has it until it is given back.

    Args:
        form: Dropout and batch size.
        learning_rate: Adam's.
    """
    compiled = _idle.pop(form, None) or _compiled(form)
    compiled.begin(learning_rate)
    return compiled


def give_back(compiled: CompiledTraining) -> None:
    """Let the next run of the same form use it; what was stopped in an epoch is thrown away."""
    if not compiled.stop.numpy():
        _idle[compiled.form] = compiled


def resident(examples: Examples, limit: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """The first `limit` images and labels as tensors; None for all."""
    return tf.constant(examples.images[:limit]), tf.constant(examples.labels[:limit])


def _compiled(form: Form) -> CompiledTraining:
    classifier = build_classifier(build_network(form.dropout, seed=0))  # other weights are set
    optimizer = keras.optimizers.Adam()
    optimizer.build(classifier.trainable_variables)
    done, stop = tf.Variable(0, dtype=tf.int64), tf.Variable(False)
    return CompiledTraining(
        form,
        classifier,
        optimizer,
        dropout_layers(classifier),
        done,
        stop,
        _compile_epoch(classifier, optimizer, done, stop, form.batch_size),
        _compile_evaluation(classifier),
    )


def _compile_epoch(
    classifier: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    done: tf.Variable,
    stop: tf.Variable,
    batch_size: int,
) -> Any:
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
            # was traced, 8 MiB each. The operations and their bits are the same.
            for gradient, variable in zip(gradients, variables, strict=True):
                optimizer.update_step(gradient, variable, optimizer.learning_rate)
            optimizer.iterations.assign_add(1)
            done.assign_add(1)

    # Traced here, so that the first epoch's speed is that of training alone.
    order = tf.TensorSpec([None], tf.int64)
    return tf.function(train_epoch).get_concrete_function(*_EXAMPLES, order)


def _compile_evaluation(classifier: keras.Model) -> Any:
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
