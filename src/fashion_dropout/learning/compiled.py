"""The compiled functions of a training: one epoch of gradient steps, and an evaluation.

To trace and optimize them takes TensorFlow longer than the epochs of a short run, and they depend
on few parameters only, the run's `Form`. So a process that trains one run after another, such as a
worker of a study, uses them again: `take` gives what is idle, as if it were new.

The data are not captured by them: what TensorFlow keeps of a function would keep the data, too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.augmentation import Batch, changed, drawn
from fashion_dropout.learning.dropout import dropout_layers
from fashion_dropout.learning.examples import Examples
from fashion_dropout.learning.inference import BATCH_SIZE
from fashion_dropout.learning.model import build_classifier, build_network

EMA_DECAY = 0.999
"""Of the averages of the weights, a step: about the last thousand steps count."""

_EXAMPLES = (tf.TensorSpec([None, 28, 28, 1], tf.uint8), tf.TensorSpec([None], tf.uint8))


@dataclass(frozen=True)
class Form:
    """What the compiled functions of two runs must have in common to be the same.

    Attributes:
        dropout: The rate of the Dropout layer: a constant of the compiled function, as all here.
        batch_size: Images in a batch; the last of an epoch may have fewer.
        label_smoothing: See `TrainingConfig`, as for the others.
        weight_decay: Of the kernels.
        augment: What is done to the images.
        average: Which weights are evaluated.
    """

    dropout: float
    batch_size: int
    label_smoothing: float
    weight_decay: float
    augment: str
    average: str

    @classmethod
    def of(cls, config: TrainingConfig) -> Form:
        """The form of a run."""
        return cls(**{field.name: getattr(config, field.name) for field in fields(cls)})


@dataclass(frozen=True)
class CompiledTraining:
    """A classifier and its optimizer, with the functions that were compiled for them.

    Attributes:
        form: Of what they were made.
        classifier: Its weights are those of whoever has taken this.
        optimizer: Adam, built for them.
        averages: Of each trainable weight, if the form asks for them.
        dropouts: The layers that draw masks.
        done: int64, counts the batches of an epoch.
        stop: bool; when it becomes true, the epoch ends after the present batch.
        train_epoch: A function of images, uint8 (n, 28, 28, 1), labels, uint8 (n,), their order,
            int64 (n,), the learning rate of each step, float32 (steps,), and the seeds of the
            augmentations, int32 (k, 2), that trains for one epoch.
        evaluate: A function of images and labels that gives the mean cross-entropy in nats and the
            share that is classified correctly, both float64.
    """

    form: Form
    classifier: keras.Model
    optimizer: keras.optimizers.Optimizer
    averages: list[tf.Variable]
    dropouts: list[keras.layers.Dropout]
    done: tf.Variable
    stop: tf.Variable
    train_epoch: Any
    evaluate: Any

    def begin(self) -> None:
        """Forget the steps of whoever had this before: Adam's moments and their number."""
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))


_idle: dict[Form, CompiledTraining] = {}


def take(form: Form) -> CompiledTraining:
    """What trains runs of this form: nobody else has it until it is given back."""
    compiled = _idle.pop(form, None) or _compiled(form)
    compiled.begin()
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
    averaged = classifier.trainable_variables if form.average == "ema" else []
    averages = [tf.Variable(tf.zeros(weights.shape)) for weights in averaged]
    done, stop = tf.Variable(0, dtype=tf.int64), tf.Variable(False)
    return CompiledTraining(
        form,
        classifier,
        optimizer,
        averages,
        dropout_layers(classifier),
        done,
        stop,
        _compile_epoch(form, classifier, optimizer, averages, done, stop),
        _compile_evaluation(classifier),
    )


def _compile_epoch(
    form: Form,
    classifier: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    averages: list[tf.Variable],
    done: tf.Variable,
    stop: tf.Variable,
) -> Any:
    variables = classifier.trainable_variables

    def train_epoch(
        images: tf.Tensor, labels: tf.Tensor, order: tf.Tensor, rates: tf.Tensor, seeds: tf.Tensor
    ) -> None:
        count = tf.shape(order, out_type=tf.int64)[0]
        draws = drawn(form.augment, count, seeds)
        for start in tf.range(0, count, form.batch_size, dtype=tf.int64):
            if stop:
                break
            here = slice(start, start + form.batch_size)
            batch, rate = order[here], rates[done]
            with tf.GradientTape() as tape:
                loss = _batch_loss(
                    form,
                    classifier,
                    tf.gather(images, batch),
                    tf.gather(labels, batch),
                    [draw[here] for draw in draws],
                )
            gradients = tape.gradient(loss, variables)
            # Not `apply_gradients`: Keras 3.15.1 keeps the graph of each function in which that
            # was traced, 8 MiB each. The operations and their bits are the same.
            for gradient, variable in zip(gradients, variables, strict=True):
                if form.weight_decay and variable.name == "kernel":
                    variable.assign_sub(variable * form.weight_decay * rate)
                optimizer.update_step(gradient, variable, rate)
            optimizer.iterations.assign_add(1)
            done.assign_add(1)
            _update(averages, variables, optimizer.iterations)

    # Traced here, so that the first epoch's speed is that of training alone.
    return tf.function(train_epoch).get_concrete_function(
        *_EXAMPLES,
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([None, 2], tf.int32),
    )


def _batch_loss(
    form: Form,
    classifier: keras.Model,
    images: tf.Tensor,
    labels: tf.Tensor,
    draws: list[tf.Tensor],
) -> tf.Tensor:
    """The mean loss of a batch in training, dropout on."""
    if not draws and not form.label_smoothing:
        return tf.reduce_mean(_losses(labels, classifier(images, training=True)))
    classes = classifier.output_shape[-1]
    targets = tf.one_hot(tf.cast(labels, tf.int32), classes)
    batch = changed(form.augment, Batch(tf.cast(images, tf.float32), targets), draws)
    targets = batch.targets * (1 - form.label_smoothing) + form.label_smoothing / classes
    # The classifier itself takes whole grey values only.
    scaled = classifier.get_layer("scale")(batch.images)
    probabilities = classifier.get_layer("network")(scaled, training=True)
    return tf.reduce_mean(keras.losses.categorical_crossentropy(targets, probabilities))


def _update(averages: list[tf.Variable], variables: list[Any], steps: Any) -> None:
    """Move each average towards its variable; the first steps count for more, as there are fewer.

    The decay after t steps is min(`EMA_DECAY`, (1 + t)/(10 + t)), as TensorFlow's
    `ExponentialMovingAverage` has it.
    """
    if averages:
        t = tf.cast(steps, tf.float32)
        share = 1 - tf.minimum(EMA_DECAY, (1 + t) / (10 + t))
        for average, variable in zip(averages, variables, strict=True):
            average.assign_add(share * (variable - average))


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
