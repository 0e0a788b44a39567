from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from comparison.records import CLASSES, make_record
from comparison.tables import RULE
from fashion_dropout.colours import of_regimes
from fashion_dropout.comparison.statistics import compare
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.reports.plots import metrics, test_set

SWEEP = {"none": 0.0, "low": 0.2, "middle": 0.4, "high": 0.6}
TWO = ["none", "dropout"]


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()  # that of a bare figure draws nothing
    return figure


def names(record) -> list[str]:
    return [name for name, _ in study_figures(record, record.compare())]


def axis_labels(figure: Figure) -> set[str]:
    return {name for axes in figure.axes for name in (axes.get_xlabel(), axes.get_ylabel())}


def said(figure: Figure) -> str:
    """Every text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_a_study_of_two_regimes_has_its_eight_figures_and_a_sweep_one_more():
    usual = [
        "study_curves",
        "equal_fit",
        "gap_over_epochs",
        "paired_differences",
        "reliability",
        "f1_change",
        "confusion_change",
        "disagreements",
    ]
    assert names(make_record()) == usual
    with_doses = usual.copy()
    with_doses.insert(usual.index("reliability"), "dose_response")
    assert names(make_record(SWEEP)) == with_doses


@pytest.mark.parametrize("record", [make_record(), make_record(SWEEP), make_record(seeds=1)])
def test_every_figure_can_be_drawn_says_how_many_and_has_units(record):
    for name, figure in study_figures(record, record.compare()):
        text = said(drawn(figure))
        count = len(record.seeds)
        assert f"n = {count}" in text or f"mean of {count} seeds" in text, name
        for label in figure.findobj(lambda a: isinstance(a, Text) and a.get_text()):
            if label.get_text() in (figure.get_suptitle(), *axis_labels(figure)):
                extent = label.get_window_extent()
                assert extent.x0 >= 0, (name, label)
                assert extent.x1 <= figure.bbox.x1, (name, label)
        for axes in figure.findobj(lambda a: hasattr(a, "get_xlabel") and a.has_data()):
            if "loss" in axes.get_ylabel():
                assert "nats" in axes.get_ylabel()


def test_without_runs_predictions_or_pairs_there_are_the_figures_that_can_be():
    everything = tuple((regime, seed) for regime in TWO for seed in range(6))
    assert names(make_record(missing=everything)) == []
    assert names(make_record(results=None)) == [
        "study_curves",
        "equal_fit",
        "gap_over_epochs",
        "paired_differences",
    ]
    no_pair = make_record(missing=everything[6:])
    assert names(no_pair) == ["study_curves", "equal_fit", "gap_over_epochs", "reliability"]


def test_curves_show_each_seed_the_mean_and_its_interval_for_both_parts():
    record = make_record()
    loss, accuracy = drawn(metrics.study_curves(record.histories, TWO)).axes[:2]
    for axes in (loss, accuracy):
        means, traces, bands = axes.lines, axes.collections[::2], axes.collections[1::2]
        assert len(means) == len(traces) == len(bands) == 4  # two regimes × two parts
        assert {line.get_linestyle() for line in means} == {"-", "--"}
        assert all(len(collection.get_segments()) == 6 for collection in traces)
    rows = record.histories
    expected = rows[rows["regime"] == "none"].groupby("epoch")["train/loss"].mean()
    assert loss.lines[0].get_ydata() == pytest.approx(expected.to_numpy())


def test_the_pairs_are_drawn_as_they_are():
    record = make_record()
    (verdict,) = record.compare().verdicts
    (axes,) = drawn(metrics.paired_differences([verdict.difference], RULE)).axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert sorted(dots.get_xdata()) == pytest.approx(sorted(verdict.difference.by_seed.values()))
    shaded = axes.patches[0]
    assert (shaded.get_x(), shaded.get_width()) == pytest.approx((-0.02, 0.04))
    assert "left: better" in axes.get_xlabel()


def test_the_dose_is_a_number_in_which_alone_the_regimes_differ():
    assert make_record(SWEEP).doses == ("dropout", SWEEP)
    assert make_record().doses is None
    record = make_record(SWEEP)
    texts = {name: {"select": "last"} for name in record.regimes}
    assert dataclasses.replace(record, regimes=texts).doses is None


def test_the_figures_of_two_regimes_show_the_best_one():
    assert make_record(SWEEP).foremost == "high"
    assert make_record(SWEEP, seeds=0, results=None).foremost == "low"  # nothing to go by


def test_the_f1_of_each_class_is_compared_within_pairs():
    changes = pd.DataFrame({0: [0.1, -0.2], 1: [0.2, -0.1]}, index=["shirt", "boot"])
    (axes,) = drawn(test_set.f1_change(changes, "dropout", "none")).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["boot", "shirt"]
    means = next(line for line in axes.lines if line.get_marker() == "D")
    assert list(means.get_xdata()) == pytest.approx([-0.15, 0.15])


def test_the_difference_of_confusions_is_in_percentage_points():
    one, other = np.eye(10), np.eye(10)
    other[0, 0], other[0, 6] = 0.9, 0.1
    figure = drawn(test_set.confusion_change({"none": one, "dropout": other}, CLASSES, 3))
    below = figure.axes[-1]
    assert {text.get_text() for text in below.texts} == {"-10.0", "+10.0"}


def test_two_regimes_differ_in_grey_too():
    def grey(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    pair = list(of_regimes(TWO).values())
    assert abs(grey(pair[0]) - grey(pair[1])) > 60
    scale = [grey(colour) for colour in of_regimes(list(SWEEP)).values()]
    assert scale == sorted(scale)


def test_a_single_pair_has_no_interval_and_is_drawn():
    record = make_record(seeds=1)
    difference = compare(
        record.runs, "gap/loss", regime="dropout", baseline="none", direction="lower"
    )
    assert difference.n == 1
    (axes,) = drawn(metrics.paired_differences([difference], RULE)).axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == [difference.mean]
    bars = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_segments()]
    lengths = [np.ptp(segment[:, 0]) for bar in bars for segment in bar.get_segments()]
    assert not np.any(np.nan_to_num(lengths)), "an interval of a single pair"
