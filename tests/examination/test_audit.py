"""Doubtful labels, and differences without them, on made-up predictions."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.utils.file_utils import local_file_uri_to_path

from comparison.records import make_record
from conftest import ROOT, run_here
from fashion_dropout.config.study import read_study
from fashion_dropout.examination import audit, doubt
from fashion_dropout.learning.dataset import CLASSES, Examples, Synthetic
from fashion_dropout.learning.split import split_of
from fashion_dropout.studies.read import read_record
from recorded import record_study

IMAGES = np.zeros((6, 28, 28, 1), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 3, 4, 5], dtype=np.uint8)


def sure_of(*classes: int, share: float = 0.95) -> np.ndarray:
    probabilities = np.full((len(classes), 10), (1 - share) / 9, dtype=np.float32)
    probabilities[np.arange(len(classes)), classes] = share
    return probabilities


def test_doubtful_is_what_every_run_is_sure_of():
    examples = Examples(IMAGES, LABELS)
    predicted = {
        ("none", 0): {"test": sure_of(0, 7, 7, 7, 4, 5)},
        ("dropout", 0): {
            "test": np.vstack([sure_of(0, 7, 8), sure_of(7, share=0.8), sure_of(4, 6)])
        },
    }
    found = doubt.doubtful_images("test", examples, predicted, CLASSES)
    # 3: one run is not sure enough; 5: one run says what the label says. 2: sure of different ones.
    assert found["place"].tolist() == [1, 2]
    assert found["label"].tolist() == [CLASSES[1], CLASSES[2]]
    assert found["said"].tolist()[0] == CLASSES[7]
    assert found["confidence"].tolist() == pytest.approx([0.95, (0.95 + 0.05 / 9) / 2])


def test_the_differences_without_an_image_are_those_of_the_others():
    import pandas as pd

    record = make_record(seeds=2)
    data = {part: Examples(IMAGES, LABELS) for part in ("test", "validation")}
    right, wrong = sure_of(*LABELS), sure_of(0, 1, 2, 3, 4, 9)
    predicted = {
        (regime, seed): {"test": of, "validation": of}
        for regime, of in (("none", wrong), ("dropout", right))
        for seed in (0, 1)
    }
    doubtful = pd.DataFrame({"part": ["validation"], "place": [5]})
    twins = pd.DataFrame({"place": [0], "distance": [0.01]})
    found = audit._compared(record, data, predicted, doubtful, twins)
    ((every, without),) = found["validation", "accuracy"]
    assert (every.mean, without.mean) == (pytest.approx(1 / 6), 0)
    ((every, without),) = found["test", "accuracy"]
    assert (every.mean, without.mean) == (pytest.approx(1 / 6), pytest.approx(1 / 5))
    ((every, without),) = found["test", "nll"]
    assert without.mean == pytest.approx(every.mean * 6 / 5)
    assert every.mean < 0


def test_a_result_that_cannot_be_stored_is_shown(store, workdir):
    """As on a team's server: who may read a study need not have the right to write into it."""
    study = read_study(ROOT / "experiments/dropout/smoke.toml")
    run_id, rng = record_study(study), np.random.default_rng(0)
    parts = Synthetic().test(), split_of(Synthetic(), study.split_seed).validation
    for uri in read_record(run_id).runs["artifact_uri"]:
        test, validation = (rng.dirichlet(np.full(10, 0.2), len(part)) for part in parts)
        np.savez(
            Path(local_file_uri_to_path(uri), "predictions.npz"),
            probabilities=test.astype(np.float32),
            labels=parts[0].labels,
            validation_probabilities=validation.astype(np.float32),
            validation_labels=parts[1].labels,
        )
    place = Path(local_file_uri_to_path(mlflow.get_run(run_id).info.artifact_uri))
    (place / "audit_labels.csv").symlink_to(workdir / "gone" / "audit_labels.csv")
    done = run_here("audit", run_id, cwd=workdir, environment={"MLFLOW_TRACKING_URI": store})
    assert done.returncode == 1
    assert "6 runs\n" in done.stdout
    assert "test accuracy" in done.stdout
    assert "stored with the study's run" not in done.stdout


def test_of_no_images_there_is_no_difference():
    import pandas as pd

    record = make_record(seeds=2)
    data = {part: Examples(IMAGES, LABELS) for part in ("test", "validation")}
    predicted = {
        (regime, seed): dict.fromkeys(data, sure_of(*LABELS))
        for regime in ("none", "dropout")
        for seed in (0, 1)
    }
    doubtful = pd.DataFrame({"part": ["validation"] * 6, "place": range(6)})
    twins = pd.DataFrame({"place": range(6), "distance": [0.0] * 6})
    found = audit._compared(record, data, predicted, doubtful, twins)
    for ((every, without),) in found.values():
        assert (every.n, without.n) == (2, 0)
