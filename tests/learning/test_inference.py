"""Stored classifiers loaded and at work, with dropout off and on."""

from __future__ import annotations

import itertools
import zipfile

import numpy as np
import pytest

from fashion_dropout.errors import DataError, UsageError
from fashion_dropout.learning.dataset import Synthetic

pytestmark = pytest.mark.usefixtures("tensorflow")

IMAGES = Synthetic().test().images


@pytest.fixture(scope="module")
def stored(tensorflow, tmp_path_factory):
    """A file with a classifier of rate 0.4, and the classifier itself."""
    from fashion_dropout.learning.model import build_classifier, build_network

    classifier = build_classifier(build_network(0.4, 1))
    path = tmp_path_factory.mktemp("stored") / "model.keras"
    classifier.save(path)
    return path, classifier


@pytest.fixture
def loaded(stored):
    from fashion_dropout.learning.inference import load_classifier

    return load_classifier(stored[0])


@pytest.mark.parametrize("count", [1, 499, 501, 1_000])
def test_a_stored_classifier_predicts_what_it_predicted_before(stored, loaded, count):
    from fashion_dropout.learning.inference import predict

    probabilities = predict(loaded, IMAGES[:count])
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (count, 10)
    before = stored[1].predict(IMAGES[:count], verbose=0)
    np.testing.assert_allclose(probabilities, before, rtol=1e-5)


def test_an_image_gives_the_same_bits_at_every_place_and_beside_any_others(loaded):
    """With oneDNN, which this program turns on where it can; Eigen's last rows differ."""
    from fashion_dropout.learning.inference import BATCH_SIZE, predict, predict_with_dropout

    alone = predict(loaded, IMAGES[:1])[0]
    for place in (1, 2, 7, 100, 247, 248, BATCH_SIZE - 1, BATCH_SIZE):
        images = IMAGES[1 : place + 2].copy()
        images[place] = IMAGES[0]
        np.testing.assert_array_equal(predict(loaded, images)[place], alone)
    masked = predict_with_dropout(loaded, IMAGES[:1], 5)
    for place in range(1, 50, 6):
        images = IMAGES[1:51].copy()
        images[place] = IMAGES[0]
        means, spreads = predict_with_dropout(loaded, images, 5)
        np.testing.assert_array_equal((means[[place]], spreads[[place]]), masked)


def coin_toss_classifier():
    """Two units of value 1, one half of which dropout drops: four networks, equally likely."""
    import keras

    image = keras.Input((28, 28, 1), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    units = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer="ones")(flat)
    kept = keras.layers.Dropout(0.5, name="coin")(units)
    last = keras.layers.Dense(10, activation="softmax")
    model = keras.Model(image, last(kept))
    weights = np.random.default_rng(0).normal(size=(2, 10)).astype(np.float32)
    last.set_weights([weights, np.zeros(10)])
    values = np.array(list(itertools.product((0, 2), repeat=2)))  # kept units are doubled
    odds = np.exp(values @ weights)
    return model, odds / odds.sum(axis=1, keepdims=True)


def test_mean_and_spread_are_those_of_the_thinned_networks():
    from fashion_dropout.learning.inference import predict_with_dropout

    model, networks = coin_toss_classifier()
    mean, spread = predict_with_dropout(model, IMAGES[:3], 1_000)
    assert mean.dtype == spread.dtype == np.float32
    assert mean.shape == spread.shape == (3, 10)
    np.testing.assert_allclose(mean[0], networks.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(spread[0], networks.std(axis=0), atol=0.01)
    two, difference = predict_with_dropout(model, IMAGES[:1], 2)
    drawn = [
        pair
        for pair in itertools.product(networks, repeat=2)
        if np.allclose(two[0], np.mean(pair, 0))
    ]
    assert drawn
    np.testing.assert_allclose(difference[0], np.std(drawn[0], axis=0, ddof=1), atol=1e-6)


@pytest.mark.slow  # many masks of many images
def test_masks_are_the_same_in_every_call_and_for_every_image(stored, loaded):
    from fashion_dropout.learning.inference import load_classifier, predict, predict_with_dropout

    means, spreads = predict_with_dropout(loaded, IMAGES[:502], 20)
    again = predict_with_dropout(load_classifier(stored[0]), IMAGES[:502], 20)
    np.testing.assert_array_equal((means, spreads), again)
    for image in (0, 501):
        alone = predict_with_dropout(loaded, IMAGES[image : image + 1], 20)
        np.testing.assert_array_equal(alone, (means[[image]], spreads[[image]]))
    assert (spreads > 0).all()
    assert not np.allclose(means, predict(loaded, IMAGES[:502]), rtol=1e-3)


def test_a_model_of_rate_0_has_no_masks_and_says_so():
    from fashion_dropout.learning.inference import predict_with_dropout
    from fashion_dropout.learning.model import build_classifier, build_network

    without = build_classifier(build_network(0, 1))
    with pytest.raises(UsageError, match="--mc-dropout, received one of rate 0"):
        predict_with_dropout(without, IMAGES[:1], 20)


def test_batch_normalisation_stays_as_it_is_in_use():
    import keras

    from fashion_dropout.learning.inference import predict, predict_with_dropout

    image = keras.Input((28, 28, 1), dtype="uint8")
    normal = keras.layers.BatchNormalization()(keras.layers.Rescaling(1 / 255)(image))
    flat = keras.layers.Dropout(1e-6)(keras.layers.Flatten()(normal))
    model = keras.Model(image, keras.layers.Dense(10, activation="softmax")(flat))
    before = predict(model, IMAGES[:20])
    mean, _ = predict_with_dropout(model, IMAGES[:20], 3)
    np.testing.assert_allclose(mean, before, rtol=1e-3)


def test_a_model_of_another_kind_is_refused(tmp_path):
    from fashion_dropout.learning.inference import load_classifier
    from fashion_dropout.learning.model import build_network

    path = tmp_path / "network.keras"
    build_network(0.4, 1).save(path)  # it takes scaled values: raw ones would be taken for these
    with pytest.raises(UsageError, match=r"network\.keras: expected a model from .*uint8"):
        load_classifier(path)


def test_a_damaged_model_is_refused(stored, tmp_path):
    from fashion_dropout.learning.inference import load_classifier

    path = tmp_path / "model.keras"
    whole = stored[0].read_bytes()
    with zipfile.ZipFile(stored[0]) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    lacking = {name: content for name, content in parts.items() if "weights" not in name}
    other = {**parts, "config.json": parts["config.json"].replace(b"Dense", b"Dance")}
    for damaged in (whole[:-200], b"", lacking, other):
        if isinstance(damaged, bytes):
            path.write_bytes(damaged)
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in damaged.items():
                    archive.writestr(name, content)
        with pytest.raises(DataError, match=r"model\.keras: expected a Keras model") as refused:
            load_classifier(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(DataError, match=r"nowhere\.keras: expected a Keras model"):
        load_classifier(tmp_path / "nowhere.keras")


def test_code_in_a_model_does_not_run(tmp_path):
    import keras

    from fashion_dropout.learning.inference import load_classifier

    image = keras.Input((28, 28, 1), dtype="uint8")
    marker = tmp_path / "it ran"
    name = str(marker)
    code = keras.layers.Lambda(lambda x: (__import__("os").mkdir(name), x)[1])(image)
    flat = keras.layers.Flatten()(code)
    keras.Model(image, keras.layers.Dense(10)(flat)).save(tmp_path / "model.keras")
    marker.rmdir()
    with pytest.raises(DataError, match="cannot be loaded"):
        load_classifier(tmp_path / "model.keras")
    assert not marker.exists()
