"""Trainings with other regularizers than dropout: against Keras, and to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning import checkpoint
from fashion_dropout.learning.dataset import Examples, Synthetic
from fashion_dropout.learning.split import stratified_split

pytestmark = pytest.mark.usefixtures("tensorflow")

ALL, VALIDATION = stratified_split(Synthetic().training(), 500, 0)
FEW = Examples(ALL.images[:200], ALL.labels[:200])
EVERYTHING = {
    "label_smoothing": 0.1,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "augment": "flip+shift+rotate+erase+mixup",
    "average": "ema",
}


def trainer(**parameters):
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer

    config = TrainingConfig(**{"dropout": 0.0, "epochs": 3, "learning_rate": 0.004, **parameters})
    classifier = build_classifier(build_network(config.dropout, config.seed))
    return Trainer(classifier, FEW, VALIDATION, config)


def by_keras(of, steps: int, *, optimizer, smoothing: float) -> tuple[list, list]:
    """The weights after so many steps, and their averages, by Keras' own optimizer and loss."""
    import keras
    import tensorflow as tf

    model = keras.models.clone_model(of.classifier)
    model.set_weights(of.classifier.get_weights())
    optimizer.exclude_from_weight_decay(
        var_list=[weights for weights in model.trainable_variables if weights.name == "bias"]
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    averages = [weights.numpy() for weights in model.trainable_variables]

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            value = loss(tf.one_hot(labels, 10), model(images, training=True))
        return tape.gradient(value, model.trainable_variables)

    order = of.order_of_batches(1)
    for number in range(steps):
        batch = order[number * 64 : (number + 1) * 64]
        gradients = step(FEW.images[batch], FEW.labels[batch])
        optimizer.apply(gradients, model.trainable_variables)
        share = 1 - min(0.999, (2 + number) / (11 + number))
        for index, weights in enumerate(model.trainable_variables):
            averages[index] += np.float32(share) * (weights.numpy() - averages[index])
    return [weights.numpy() for weights in model.trainable_variables], averages


def test_decay_smoothing_and_averages_are_those_of_keras():
    import keras

    subject = trainer(epochs=1, weight_decay=0.5, label_smoothing=0.2, average="ema")
    adam = keras.optimizers.AdamW(0.004, weight_decay=0.5)
    expected, averages = by_keras(subject, subject.batches, optimizer=adam, smoothing=0.2)
    list(subject.epochs())
    for found, wanted in zip(subject._last_weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    for found, wanted in zip(subject.classifier.get_weights(), averages, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_the_rate_of_each_step_follows_the_schedule():
    subject = trainer(epochs=2, schedule="cosine")
    first, second = subject.epochs()
    assert first.learning_rate == pytest.approx(0.002)
    assert second.learning_rate == pytest.approx(0.0, abs=1e-12)
    still = trainer(epochs=2)
    assert list(still.epochs())[1].train_loss != second.train_loss


@pytest.mark.slow  # four trainings
def test_training_goes_on_to_the_same_bits_with_everything_at_once(tmp_path):
    whole = trainer(**EVERYTHING)
    states = [dict(whole.state())]
    for _ in whole.epochs():
        states.append(dict(whole.state()))
    whole.close()
    for ended in (0, 1, 2):
        resumed = trainer(**EVERYTHING)
        saved = checkpoint.Checkpoint(ended, states[ended], {})
        resumed.restore(checkpoint.read(checkpoint.write(tmp_path / str(ended), saved)).arrays)
        assert len(list(resumed.epochs())) == 3 - ended
        for name in states[-1].keys() - {"history"}:
            assert resumed.state()[name].tobytes() == states[-1][name].tobytes(), name
        resumed.close()


def test_averages_are_what_is_evaluated_and_stored():
    subject = trainer(**EVERYTHING)
    *_, record = subject.epochs()
    found = subject.classifier.predict(VALIDATION.images, verbose=0)
    likelihood = found[np.arange(len(VALIDATION)), VALIDATION.labels]
    assert record.val_loss == pytest.approx(-np.log(likelihood.astype(float)).mean(), rel=1e-5)
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(subject._last_weights, subject.classifier.get_weights(), strict=True)
    )


@pytest.mark.slow  # ten epochs and more, twice
def test_patience_stops_after_so_many_epochs_without_a_lower_loss():
    subject = trainer(epochs=60, patience=2)
    records = list(subject.epochs())
    losses = [record.val_loss for record in records]
    best = int(np.argmin(losses)) + 1
    assert subject.stopped
    assert len(records) == best + 2 < 60
    assert list(subject.epochs()) == []  # as when it is resumed
    again = trainer(epochs=len(records), patience=2)
    list(again.epochs())
    assert not again.stopped  # it had no more epochs to stop


@pytest.mark.slow  # a training from each of its epochs
def test_one_cycle_and_patience_go_on_to_the_same_bits_too(tmp_path):
    """Whether and when patience ends it is decided by the bits; so a run that goes on tells."""
    parameters = {"epochs": 5, "learning_rate": 0.008, "schedule": "one-cycle", "patience": 1}
    whole = trainer(**parameters)
    states = [dict(whole.state())]
    for _ in whole.epochs():
        states.append(dict(whole.state()))
    whole.close()
    for ended, state in enumerate(states):
        resumed = trainer(**parameters)
        saved = checkpoint.Checkpoint(ended, state, {})
        resumed.restore(checkpoint.read(checkpoint.write(tmp_path / str(ended), saved)).arrays)
        assert len(list(resumed.epochs())) == len(states) - 1 - ended
        for name in states[-1].keys() - {"history"}:
            assert resumed.state()[name].tobytes() == states[-1][name].tobytes(), name
        resumed.close()
