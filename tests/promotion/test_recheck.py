"""Damaged files of a run, which no promotion may overlook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashion_dropout.errors import TrackingError
from fashion_dropout.promotion.candidate import read_candidate
from fashion_dropout.promotion.recheck import ValidationPredictions
from promotion.recorded_studies import MODEL, aliases, promoted


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


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_model_is_refused_and_no_alias_moves(studies, client, damage):
    promoted(studies.weak)
    candidate = read_candidate(studies.strong)
    location = client.get_logged_model(candidate.model_id).artifact_location
    weights = Path(location.removeprefix("file://")) / "data/model.keras"
    content = weights.read_bytes()
    try:
        if damage == "missing":
            weights.unlink()
        else:
            weights.write_bytes(content[:-5000] + b"x" + content[-4999:])
        with pytest.raises(TrackingError, match=r"expected the model m-\w+ to be whole, received"):
            promoted(studies.strong)
    finally:
        weights.write_bytes(content)
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
