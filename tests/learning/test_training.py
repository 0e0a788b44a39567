from __future__ import annotations

import gc
import math
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import CheckpointError, Interrupted, TrainingDivergedError
from fashion_dropout.learning import checkpoint
from fashion_dropout.learning.dataset import Examples, Synthetic
from fashion_dropout.learning.split import stratified_split

pytestmark = pytest.mark.usefixtures("tensorflow")

ALL, VALIDATION = stratified_split(Synthetic().training(), 500, 0)


def first(images: int) -> Examples:
    return Examples(ALL.images[:images], ALL.labels[:images])


SPLITS = first(580), VALIDATION
"""Few images: most of the time is TensorFlow's, to compile an epoch."""


TRAINERS: list = []


@pytest.fixture(autouse=True)
def closed_trainers():
    """What a test has compiled is used by the next one, as by the next run of a worker."""
    yield
    while TRAINERS:
        TRAINERS.pop().close()


def trainer(images: Examples = SPLITS[0], **parameters):
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer

    config = TrainingConfig(**{"epochs": 2, "learning_rate": 0.004, **parameters})
    classifier = build_classifier(build_network(config.dropout, config.seed))
    TRAINERS.append(Trainer(classifier, images, VALIDATION, config))
    return TRAINERS[-1]


def bits(of) -> list[bytes]:
    return [array.tobytes() for array in of.classifier.get_weights()]


def numbers(records) -> list[dict[str, float]]:
    """The records without the speed, which is the only figure that the clock decides."""
    return [
        {name: value for name, value in record.metrics().items() if not name.startswith("speed/")}
        for record in records
    ]


@dataclass(frozen=True)
class Whole:
    """What a training of three epochs left; TensorFlow keeps nothing of it.

    Attributes:
        records: Of the epochs.
        states: Before the first epoch, and after each.
        updates: How often the weights had been changed at the end of each epoch.
    """

    records: list
    states: list[dict[str, np.ndarray]]
    updates: list[int]


@pytest.fixture
def often_looked_at(monkeypatch) -> None:
    """The progress is looked at every hundredth of a second: so few images are soon trained."""
    from fashion_dropout.learning import training

    monkeypatch.setattr(training, "_SECONDS_BETWEEN_LOOKS", 0.01)


@pytest.fixture(scope="module")
def whole(tensorflow) -> Whole:
    subject = trainer(epochs=3)
    found = Whole(subject.records, [dict(subject.state())], [])
    for _ in subject.epochs():
        found.states.append(dict(subject.state()))
        found.updates.append(int(subject._compiled.optimizer.iterations.numpy()))
        assert int(subject._compiled.done.numpy()) == subject.batches
    return found


def check_equal(state, expected) -> None:
    assert state.keys() == expected.keys()
    for name in state.keys() - {"history"}:  # which has the speed in it
        assert state[name].tobytes() == expected[name].tobytes(), name


def test_the_same_configuration_gives_the_same_bits(whole):
    other = trainer(epochs=3)
    assert numbers(other.epochs()) == numbers(whole.records)
    check_equal(other.state(), whole.states[-1])


def test_what_was_compiled_for_another_run_gives_the_same_bits(whole):
    """Of another seed and another learning rate, as in a worker that trains one cell after another:
    nothing of the other's weights, moments, steps and learning rate is left.
    """
    from fashion_dropout.learning import compiled

    compiled._idle.clear()
    new = trainer(epochs=3)
    assert numbers(new.epochs()) == numbers(whole.records)
    check_equal(new.state(), whole.states[-1])
    new.close()
    other = trainer(epochs=1, seed=1, learning_rate=0.02)
    assert other._compiled is new._compiled
    list(other.epochs())
    other.close()
    again = trainer(epochs=3)
    assert again._compiled is new._compiled
    assert numbers(again.epochs()) == numbers(whole.records)
    check_equal(again.state(), whole.states[-1])


@pytest.mark.slow  # compiles twice
def test_two_trainers_at_once_share_nothing():
    one, other = trainer(epochs=2), trainer(epochs=2)
    assert one._compiled is not other._compiled
    for _ in zip(one.epochs(), other.epochs(), strict=True):
        assert bits(one) == bits(other)


def test_what_was_stopped_within_an_epoch_is_not_used_again():
    subject = trainer(epochs=1)
    subject._compiled.stop.assign(True)
    subject.close()
    assert trainer(epochs=1)._compiled is not subject._compiled


@pytest.mark.parametrize("change", [{"seed": 1}, {"dropout": 0.1}, {"batch_size": 50}])
def test_another_configuration_gives_other_bits(whole, change):
    assert numbers(trainer(epochs=1, **change).epochs()) != numbers(whole.records[:1])


def test_both_regimes_of_a_seed_start_equal_and_see_the_same_batches():
    one, other = trainer(dropout=0.0), trainer(dropout=0.5)
    assert bits(one) == bits(other)
    for epoch in (1, 2, 7):
        np.testing.assert_array_equal(one.order_of_batches(epoch), other.order_of_batches(epoch))
    assert not np.array_equal(one.order_of_batches(1), one.order_of_batches(2))


def test_a_training_goes_on_from_each_checkpoint_to_the_same_bits(whole, tmp_path):
    """With another trainer, through a file: records, weights, optimizer and best weights.

    First a new one, then the same one again, of which nothing must be left.
    """
    resumed = trainer(epochs=3)
    for ended in (2, 0, 1, 3):
        saved = checkpoint.Checkpoint(ended, whole.states[ended], {})
        path = checkpoint.write(tmp_path / str(ended), saved)
        resumed.restore(checkpoint.read(path).arrays)
        assert resumed.records == whole.records[:ended]
        assert len(list(resumed.epochs())) == 3 - ended
        assert numbers(resumed.records) == numbers(whole.records)
        check_equal(resumed.state(), whole.states[-1])


def test_the_state_of_another_network_is_refused_and_changes_nothing():
    subject = trainer()
    before, state = bits(subject), dict(subject.state())
    state["weights/000"] = state["weights/000"][:1]
    with pytest.raises(CheckpointError, match="expected a checkpoint of this network"):
        subject.restore(state)
    assert bits(subject) == before


def test_an_epoch_visits_every_image_once_in_batches_of_the_given_size(whole):
    subject = trainer(batch_size=64)
    assert sorted(subject.order_of_batches(1)) == list(range(580))
    assert subject.batches == 10  # 9 whole ones and one of 4 images
    assert whole.updates == [10, 20, 30]


def test_measured_figures_are_those_of_the_classifier_without_dropout():
    subject = trainer(dropout=0.8, epochs=1)
    (record,) = subject.epochs()
    for part, loss, accuracy in (
        (SPLITS[0], record.train_loss, record.train_accuracy),
        (SPLITS[1], record.val_loss, record.val_accuracy),
    ):
        probabilities = subject.classifier.predict(part.images, verbose=0).astype(np.float64)
        likelihood = probabilities[np.arange(len(part)), part.labels]
        assert math.isclose(loss, -np.log(likelihood).mean(), rel_tol=1e-5)
        assert math.isclose(accuracy, (probabilities.argmax(axis=1) == part.labels).mean())
    assert record.metrics()["gap/loss"] == record.val_loss - record.train_loss
    assert record.metrics()["gap/accuracy"] == record.train_accuracy - record.val_accuracy


def test_training_figures_are_measured_on_the_declared_subset(monkeypatch):
    from fashion_dropout.learning import training

    monkeypatch.setattr(training, "EVALUATED_TRAINING_IMAGES", 100)
    subject = trainer(epochs=1)
    (record,) = subject.epochs()
    predicted = subject.classifier.predict(SPLITS[0].images[:100], verbose=0).argmax(axis=1)
    assert math.isclose(record.train_accuracy, (predicted == SPLITS[0].labels[:100]).mean())


def test_a_confident_mistake_costs_its_whole_loss():
    """Probabilities would be cut at 1e-7, a loss of 16; the logits in front of them are not."""
    from fashion_dropout.learning.compiled import resident

    subject = trainer()
    last = subject._compiled.classifier.get_layer("network").get_layer("dense_2")
    kernel, _ = last.get_weights()
    last.set_weights([np.zeros_like(kernel), np.linspace(0, 900, 10, dtype=np.float32)])
    zeros = Examples(SPLITS[1].images[:8], np.zeros(8, dtype=np.uint8))
    loss, _ = subject._compiled.evaluate(*resident(zeros))
    assert math.isclose(float(loss), 900, rel_tol=1e-6)


@pytest.mark.slow  # trains until it overfits
def test_the_best_epoch_is_the_one_of_the_lowest_validation_loss_and_can_be_restored():
    subject = trainer(dropout=0.0, epochs=12, learning_rate=0.01, images=first(1_000))
    seen = []
    for record in subject.epochs():
        seen.append((record, bits(subject)))
    best, best_bits = min(seen, key=lambda pair: pair[0].val_loss)
    assert subject.best == best
    assert best.epoch < 12, "the test needs a run that overfits"
    subject.restore_best()
    assert bits(subject) == best_bits


def test_a_loss_that_is_no_number_ends_the_run_and_says_when():
    with pytest.raises(
        TrainingDivergedError, match=r"received (nan|inf) after epoch 1;.*below 1e\+"
    ):
        list(trainer(learning_rate=1e38).epochs())


def test_progress_is_told_within_an_epoch(often_looked_at):
    subject = trainer(epochs=1)
    told: list[tuple[int, int]] = []
    list(subject.epochs(lambda done, total: told.append((done, total))))
    assert {total for _, total in told} == {10}
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_an_interrupt_ends_an_epoch_at_the_next_batch(often_looked_at):
    subject = trainer(epochs=1)

    def interrupt(done: int, total: int) -> None:
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        list(subject.epochs(interrupt))
    assert int(subject._compiled.done.numpy()) < subject.batches


def test_tensorflow_cannot_be_given_another_number_of_threads_later():
    from fashion_dropout.errors import UsageError
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(1)
    with pytest.raises(UsageError, match=r"expected threads 1, .* received 2"):
        start_tensorflow(2)


@pytest.mark.slow  # three trainings, and a look at every object
def test_nothing_of_a_run_is_kept_when_it_is_over():
    """A worker trains one run after another: what TensorFlow keeps must not hold the data, nor may
    there be more graphs than forms, 8 MiB each.
    """
    from fashion_dropout.learning import compiled

    for seed in range(3):
        subject = trainer(epochs=1, seed=seed)
        list(subject.epochs())
        held = [weakref.ref(subject._training[0]), weakref.ref(subject.classifier)]
        TRAINERS.pop().close()
        del subject
        gc.collect()
        assert [one() for one in held] == [None, None]
    graphs = [kept for kept in gc.get_objects() if type(kept).__name__ == "FuncGraph"]
    epochs = [graph for graph in graphs if graph.name == "train_epoch"]
    assert len(epochs) <= len(compiled._idle)
