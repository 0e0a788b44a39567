from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fashion_dropout.runs import figures

CLASSES = tuple(f"class {label}" for label in range(10))


@pytest.fixture
def history() -> pd.DataFrame:
    epochs = np.arange(1, 6)
    columns = {
        f"{part}/{quantity}": np.linspace(1, 0.2, 5)
        for part in ("train", "val")
        for quantity in ("loss", "accuracy")
    }
    return pd.DataFrame({"epoch": epochs, **columns})


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()  # that of a bare figure draws nothing
    return figure


def test_curves_show_both_parts_of_both_quantities_and_the_best_epoch(history):
    figure = drawn(figures.learning_curves(history, 3, "title"))
    assert [axes.get_ylabel().split()[0] for axes in figure.axes] == ["loss", "accuracy"]
    for axes in figure.axes:
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [
            "training",
            "validation",
        ]
        assert axes.get_xlabel() == "epoch"
        assert any("best epoch: 3" in text.get_text() for text in axes.texts)
        assert len({line.get_linestyle() for line in axes.lines[:2]}) == 2  # readable in grey


def test_curves_of_a_single_epoch_can_be_drawn(history):
    figure = drawn(figures.learning_curves(history[:1], 1, "title"))
    for axes in figure.axes:
        training, validation = axes.lines[:2]
        assert list(training.get_xdata()) == list(validation.get_xdata()) == [1]
        assert {training.get_marker(), validation.get_marker()} == {"o", "s"}, "a line of one point"
        assert axes.get_xlim()[0] < 1 < axes.get_xlim()[1]


def test_the_confusion_matrix_shows_every_count():
    confusion = np.arange(100).reshape(10, 10)
    figure = drawn(figures.confusion_matrix(confusion, CLASSES, "title"))
    assert [text.get_text() for text in figure.axes[0].texts] == [str(n) for n in range(100)]


def test_the_most_confident_mistakes_come_first():
    labels = np.zeros(5, dtype=np.uint8)
    probabilities = np.zeros((5, 10), dtype=np.float32)
    for row, (winner, confidence) in enumerate([(1, 0.6), (0, 0.99), (2, 0.9), (3, 0.7), (0, 1)]):
        probabilities[row, winner] = confidence
    images = np.zeros((5, 28, 28, 1), dtype=np.uint8)
    figure = drawn(figures.misclassified(images, labels, probabilities, CLASSES, "title"))
    (axes,) = figure.axes
    titles = [text.get_text() for text in axes.texts]
    assert titles == [
        "true: class 0\nsaid: class 2, 90.00%",
        "true: class 0\nsaid: class 3, 70.00%",
        "true: class 0\nsaid: class 1, 60.00%",
    ]
    assert "3 of 5 wrong" in figure.get_suptitle()


def test_a_perfect_classifier_has_no_mistakes_to_show():
    probabilities = np.eye(10, dtype=np.float32)
    images = np.zeros((10, 28, 28, 1), dtype=np.uint8)
    figure = drawn(figures.misclassified(images, np.arange(10), probabilities, CLASSES, "title"))
    assert "0 of 10 wrong" in figure.get_suptitle()


def test_nothing_registers_with_the_global_figure_manager(history):
    from matplotlib import pyplot

    figures.learning_curves(history, 1, "title")
    assert pyplot.get_fignums() == []
