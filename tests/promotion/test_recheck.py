"""Damaged files of a run, which no promotion may overlook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import clean_environment
from fashion_dropout.errors import TrackingError
from fashion_dropout.promotion.candidate import read_candidate
from fashion_dropout.promotion.recheck import ValidationPredictions, check_repeated
from promotion.recorded_studies import MODEL, POLICY, aliases, promoted

REPREDICT = """
import numpy as np
from pathlib import Path
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import split_of
start_tensorflow(1, "portable")
from fashion_dropout.learning.inference import load_classifier, predict
split = split_of(open_dataset("synthetic"), 0)
np.save("{output}", predict(load_classifier(Path("{model}")), split.validation.images))
"""


def test_the_figures_of_predictions_are_those_of_the_definitions():
    confident = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.0, 0.9]])
    labels = np.array([0, 1, 1, 2], dtype=np.uint8)
    predictions = ValidationPredictions(confident.astype(np.float32), labels, ("d", "s"))
    assert predictions.correct.tolist() == [True, False, True, True]
    # Each image has a bin of its own: |1 − 0.8|, |0 − 0.7|, |1 − 0.6| and |1 − 0.9|, averaged.
    assert predictions.figures() == {
        "accuracy": 0.75,
        "calibration_error": pytest.approx((0.2 + 0.7 + 0.4 + 0.1) / 4),
        "worst_class_recall": 0.5,
    }


RECORDED = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0]], dtype=np.float32)
HERE = {"kernels.onednn": "on", "kernels.isa": "avx2", "device": "cpu"}
THERE = {**HERE, "kernels.isa": "avx512_core_bf16"}
NEXT = np.nextafter(RECORDED, 1, dtype=np.float32)


def test_the_same_kernels_must_give_the_same_bits():
    same = check_repeated(RECORDED.copy(), RECORDED, HERE, HERE, 1e-4)
    assert (same.passed, same.expected, same.received) == (True, *["the same to the bit"] * 2)
    other = check_repeated(NEXT, RECORDED, HERE, HERE, 1e-4)
    assert not other.passed
    assert other.received.startswith("2 of 2 images differ, by up to 6e-08")


def test_other_kernels_may_differ_by_the_declared_tolerance():
    tied = RECORDED + np.array([[0, 5e-5, 0], [0, 0, 0]], dtype=np.float32)
    found = check_repeated(tied, RECORDED, THERE, HERE, 1e-4)
    assert found.passed
    assert found.expected == (
        "within 0.0001, as other kernels compute here (kernels.isa avx2 instead of "
        "avx512_core_bf16)"
    )
    assert found.received == "1 of 2 images differ, by up to 5e-05; another class wins on 1"
    assert not check_repeated(tied + np.float32(2e-4), RECORDED, THERE, HERE, 1e-4).passed
    assert not check_repeated(NEXT, RECORDED, THERE, HERE, 0.0).passed


def test_a_run_whose_kernels_are_not_recorded_may_have_had_others():
    unknown = dict.fromkeys(HERE, "unknown")
    assert check_repeated(NEXT, RECORDED, unknown, HERE, 1e-4).passed


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_a_model_of_another_kind_of_cpu_is_promoted_within_the_tolerance(studies, client):
    """The predictions are recorded with AVX2 kernels in another process, the model is whole."""
    candidate = read_candidate(studies.weak)
    folder = Path(candidate.run.info.artifact_uri.removeprefix("file://"))
    path = folder / "predictions.npz"
    content = path.read_bytes()
    model = Path(
        client.get_logged_model(candidate.model_id).artifact_location.removeprefix("file://")
    )
    arrays = dict(np.load(path))
    try:
        code = REPREDICT.format(model=model / "data/model.keras", output=folder / "other.npy")
        subprocess.run([sys.executable, "-c", code], check=True, env=clean_environment())
        arrays["validation_probabilities"] = np.load(folder / "other.npy")
        np.savez_compressed(path, **arrays)
        client.set_tag(candidate.run.info.run_id, "kernels.isa", "avx2 of another machine")
        policy = POLICY.model_copy(update={"largest_drift": 1e-4})
        outcome, said = promoted(studies.weak, policy)
    finally:
        path.write_bytes(content)
        (folder / "other.npy").unlink(missing_ok=True)
    assert outcome.promoted, said
    assert "instead of avx2 of another machine" in said


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("damage", ["changed", "missing", "undescribed"])
def test_a_damaged_model_is_refused_and_no_alias_moves(studies, client, damage):
    promoted(studies.weak)
    candidate = read_candidate(studies.strong)
    location = client.get_logged_model(candidate.model_id).artifact_location
    file = "MLmodel" if damage == "undescribed" else "data/model.keras"
    damaged = Path(location.removeprefix("file://")) / file
    content = damaged.read_bytes()
    try:
        if damage == "changed":
            damaged.write_bytes(content[:-5000] + b"x" + content[-4999:])
        else:
            damaged.unlink()
        with pytest.raises(TrackingError, match=r"expected the model m-\w+ to be whole, received"):
            promoted(studies.strong)
    finally:
        damaged.write_bytes(content)
    assert aliases(client) == {"champion": "1"}
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_lost_predictions_are_named(studies, client):
    candidate = read_candidate(studies.weak)
    path = Path(candidate.run.info.artifact_uri.removeprefix("file://")) / "predictions.npz"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:1000])
        with pytest.raises(TrackingError, match=r"expected the predictions of run .*received"):
            promoted(studies.weak)
    finally:
        path.write_bytes(content)
    assert client.search_registered_models() == []
