"""Row 45: a matplotlibrc that asks for LaTeX, and a figure that cannot be drawn."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from cycler import cycler

from comparison.records import make_record
from fashion_dropout.learning.dataset import Examples, Synthetic
from fashion_dropout.reports.pictures import draw
from fashion_dropout.runs.artifacts import RunArtifacts

OF_A_USER = {
    "text.usetex": True,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "figure.dpi": 40,
    "font.size": 30,
    "axes.prop_cycle": cycler(color=["k"]),
}
FIGURES = ("confusion_matrix.png", "curves.png", "misclassified.png")


def artifacts(title: str) -> RunArtifacts:
    found = Synthetic().test()
    test = Examples(found.images[:200], found.labels[:200])
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), 200).astype(np.float32)
    names = [f"{part}/{of}" for part in ("train", "val") for of in ("loss", "accuracy")]
    return RunArtifacts(
        title=title,
        classes=tuple(f"class {label}" for label in range(10)),
        history=pd.DataFrame({"epoch": [1, 2], **{name: [0.5, 0.4] for name in names}}),
        best_epoch=2,
        selected_epoch=2,
        test=test,
        test_probabilities=probabilities,
        validation=test,
        validation_probabilities=probabilities,
        model_summary="layers",
    )


def test_the_figures_of_a_run_are_the_same_whatever_the_user_has_set(tmp_path):
    folders = tmp_path / "plain", tmp_path / "users"
    for folder, settings in zip(folders, ({}, OF_A_USER), strict=True):
        folder.mkdir()
        with mpl.rc_context(settings):
            assert artifacts("dropout-seed0").write(folder) == []
            assert all(mpl.rcParams[name] == value for name, value in settings.items())
    for name in FIGURES:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.slow  # two reports
def test_the_figures_of_a_report_are_the_same_whatever_the_user_has_set():
    record = make_record()
    plain = draw(record, record.compare(), "en")
    with mpl.rc_context(OF_A_USER):
        assert draw(record, record.compare(), "en") == plain


def test_a_figure_that_cannot_be_drawn_costs_the_figure_and_not_the_run(tmp_path):
    missing = artifacts("\ud800").write(tmp_path)  # half of a character
    assert [line.split()[1] for line in missing] == ["curves.png", *FIGURES[::2]]
    assert all("could not be drawn" in line for line in missing)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"history.csv", "per_class.csv", "predictions.npz", "model_summary.txt"}


def test_a_full_disk_is_no_failure_of_a_figure(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        artifacts("dropout-seed0").write(tmp_path / "nowhere")
