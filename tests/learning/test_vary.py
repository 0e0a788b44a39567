"""What a seed decides: only that moves, and the recorded digests show it."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.config.vary import SOURCES
from fashion_dropout.learning.dataset import Examples, Synthetic
from fashion_dropout.learning.split import split_of

pytestmark = pytest.mark.usefixtures("tensorflow")

DATASET = Synthetic()


def digests(**parameters):
    """Source of randomness → the digest of what a run draws from it, as `runs.steps` records it."""
    from fashion_dropout.learning.augmentation import draws_sha256
    from fashion_dropout.learning.dropout import masks_sha256, of_epoch
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer

    config = TrainingConfig(**parameters)
    split = split_of(DATASET, config.seed_of("split"))
    classifier = build_classifier(build_network(config.dropout, config.seed_of("init")))
    few = Examples(split.training.images[:200], split.training.labels[:200])
    trainer = Trainer(classifier, few, few, config)
    found = {
        "init": trainer.weights_sha256(),
        "order": trainer.order_of_batches(1).tobytes(),
        "masks": masks_sha256(classifier, config.seed_of("masks"), of_epoch(1)),
        "augment": draws_sha256(config.seed_of("augment")),
        "split": split.sha256,
    }
    trainer.close()
    return found


@pytest.mark.parametrize("vary", [*SOURCES, "init+order+masks+augment"])
def test_another_seed_moves_what_varies_and_nothing_else(vary):
    one, other = (digests(vary=vary, seed=seed) for seed in (1, 2))
    assert {source for source in SOURCES if one[source] != other[source]} == set(vary.split("+"))


def test_what_does_not_vary_is_drawn_as_a_run_of_seed_zero_draws_it():
    assert digests(vary="init", seed=3)["order"] == digests(seed=0)["order"]
    assert digests(vary="split", seed=3)["split"] == digests(split_seed=3)["split"]


def test_the_digest_of_masks_is_of_what_the_layer_draws_and_the_same_at_every_rate():
    import keras

    from fashion_dropout.learning.dropout import dropout_layers, masks_sha256, of_epoch, set_masks
    from fashion_dropout.learning.model import build_classifier, build_network

    drawn = []
    for rate in (0.0, 0.3, 0.5):
        classifier = build_classifier(build_network(rate, 0))
        drawn.append(masks_sha256(classifier, 4, of_epoch(1)))
        for layer in dropout_layers(classifier):
            set_masks([layer], 4, of_epoch(1))
            kept = np.asarray(layer(np.ones((64, 128), "f4"), training=True)) > 0
            generator = keras.random.SeedGenerator(0)
            set_masks([layer], 4, of_epoch(1))
            generator.state.assign(layer.seed_generator.state)
            first = np.asarray(keras.random.uniform((1, 128), seed=generator))[0]
            np.testing.assert_array_equal(kept[0], first >= rate)
    assert len(set(drawn)) == 1
    assert drawn[0] != masks_sha256(classifier, 5, of_epoch(1))
