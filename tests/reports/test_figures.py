from __future__ import annotations

import dataclasses
import itertools
import re
import warnings
from functools import cache

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
from fashion_dropout.comparison.equal_fit import fit_curve
from fashion_dropout.comparison.record import Disagreements
from fashion_dropout.comparison.spread import Place, variance
from fashion_dropout.comparison.statistics import compare
from fashion_dropout.comparison.summary import values_of_runs
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.reports.plots import metrics, predictions
from fashion_dropout.reports.plots.examination import contact_sheet
from fashion_dropout.reports.plots.pairs import paired_differences
from fashion_dropout.reports.plots.style import tick_epochs
from fashion_dropout.reports.plots.variance import spread_by_source
from fashion_dropout.texts import LANGUAGES, Count, texts

SWEEP = {"none": 0.0, "low": 0.2, "middle": 0.4, "high": 0.6}
TWO = ["none", "dropout"]


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()  # that of a bare figure draws nothing
    return figure


RECORDS = {"two": make_record(), "sweep": make_record(SWEEP), "one seed": make_record(seeds=1)}


@cache
def drawn_study(record: str, language: str) -> dict[str, Figure]:
    """All figures of one of `RECORDS`, drawn; each glyph has a font."""
    study = RECORDS[record]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        figures = study_figures(study, study.compare(), language)
        done = {name: drawn(figure) for name, figure in figures}
    assert [str(one.message) for one in warned if "missing from" in str(one.message)] == []
    return done


def names(record) -> list[str]:
    return [name for name, _ in study_figures(record, record.compare(), "en")]


def axis_labels(figure: Figure) -> set[str]:
    return {name for axes in figure.axes for name in (axes.get_xlabel(), axes.get_ylabel())}


def said(figure: Figure) -> str:
    """Every text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.slow  # 19 figures
def test_a_study_of_two_regimes_has_its_nine_figures_and_a_sweep_one_more():
    usual = [
        "study_curves",
        "paired_differences",
        "equal_fit",
        "gap_over_epochs",
        "accuracy_curves",
        "reliability",
        "f1_change",
        "confusion_change",
        "disagreements",
    ]
    assert list(drawn_study("two", "en")) == usual
    with_doses = usual.copy()
    with_doses.insert(usual.index("reliability"), "dose_response")
    assert list(drawn_study("sweep", "en")) == with_doses


def test_a_sweep_that_compares_metrics_of_pairs_only_has_no_dose_response():
    rule = {"primary": "val/loss_at_equal_fit", "secondary": ("epochs_to_equal_fit",)}
    assert "dose_response" not in names(make_record(SWEEP, rule=RULE.model_copy(update=rule)))


@pytest.mark.parametrize(
    ("record", "language"),
    [
        ("two", "ja"),
        pytest.param("sweep", "en", marks=pytest.mark.slow),
        pytest.param("two", "en", marks=pytest.mark.slow),
        pytest.param("sweep", "ja", marks=pytest.mark.slow),
        *(pytest.param("one seed", one, marks=pytest.mark.slow) for one in LANGUAGES),
    ],
)
def test_every_figure_can_be_drawn_says_how_many_and_has_units(record, language):
    count = len(RECORDS[record].seeds)
    for name, figure in drawn_study(record, language).items():
        text = said(figure)
        many = (f"n = {count}", f"mean of {Count(count):seed|seeds}", f"{count} シードの平均")
        assert any(words in text for words in many), name
        for label in figure.findobj(lambda a: isinstance(a, Text) and a.get_text()):
            if label.get_text() in (figure.get_suptitle(), *axis_labels(figure)):
                extent = label.get_window_extent()
                assert extent.x0 >= 0, (name, label)
                assert extent.x1 <= figure.bbox.x1, (name, label)
        for axes in figure.findobj(lambda a: hasattr(a, "get_xlabel") and a.has_data()):
            if "loss" in axes.get_ylabel():
                assert "nats" in axes.get_ylabel()


def test_the_japanese_figures_speak_japanese():
    for name, figure in drawn_study("two", "ja").items():
        text = said(figure)
        assert re.search("[ぁ-んァ-ヶ一-龠]", text), name
        for word in ("no dropout", "seeds", "training", "accuracy", "loss ("):
            assert word not in text, name


def test_lines_are_named_at_their_ends_and_epochs_are_ticked_at_round_ones():
    record = make_record(SWEEP)
    figure = drawn(metrics.study_curves(record.histories, list(SWEEP), "en"))
    loss = figure.axes[0]
    named = [text for text in loss.texts if text.get_text()]
    assert sorted(text.get_text() for text in named) == sorted(
        f"{regime}, {part}"
        for regime in ("no dropout", "low", "middle", "high")
        for part in ("training", "validation")
    )
    boxes = sorted((text.get_window_extent() for text in named), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 2 for below, above in itertools.pairwise(boxes))
    for last, ticks in ((1, [1]), (5, [1, 2, 3, 4, 5]), (20, [1, 5, 10, 15, 20])):
        tick_epochs(loss, last)
        assert list(loss.get_xticks()) == ticks


def test_a_bin_stands_at_its_mean_confidence_and_one_of_few_images_is_hidden():
    bins = pd.DataFrame(
        [
            (regime, seed, centre, confidence, 0.5, share)
            for regime in TWO
            for seed in (0, 1)
            for centre, confidence, share in (
                (0.5, 0.52, 0.1),
                (0.3, 0.31, 0.01),
                (0.9, 0.97, 0.89),
            )
        ],
        columns=["regime", "seed", "centre", "confidence", "accuracy", "share"],
    )
    above, _ = drawn(predictions.reliability(bins, TWO, 1_000, "en")).axes
    for line in above.lines[1:]:
        assert list(line.get_xdata()) == [0.52, 0.97]  # 10 images of the third bin are too few
    fewer = bins[(bins["regime"] == "none") | (bins["seed"] == 0)]
    title = predictions.reliability(fewer, TWO, 1_000, "en").get_suptitle()
    assert "n = 1 to 2 seeds per regime" in title


def test_without_runs_predictions_or_pairs_there_are_the_figures_that_can_be():
    everything = tuple((regime, seed) for regime in TWO for seed in range(6))
    assert names(make_record(missing=everything)) == []
    assert names(make_record(results=None)) == [
        "study_curves",
        "paired_differences",
        "equal_fit",
        "gap_over_epochs",
        "accuracy_curves",
    ]
    curves = ["study_curves", "equal_fit", "gap_over_epochs", "accuracy_curves"]
    assert names(make_record(missing=everything[6:])) == [*curves, "reliability"]


def test_curves_show_each_seed_the_mean_and_its_interval_for_both_parts():
    record = make_record()
    loss, accuracy = (
        drawn(metrics.study_curves(record.histories, TWO, "en", quantity)).axes[0]
        for quantity in ("loss", "accuracy")
    )
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
    comparison = record.compare()
    (verdict,) = comparison.verdicts
    values = values_of_runs(record.runs, comparison)
    figure = drawn(paired_differences([verdict.difference], values, RULE, "en"))
    slopes, axes = figure.axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert sorted(dots.get_xdata()) == pytest.approx(sorted(verdict.difference.by_seed.values()))
    shaded = axes.patches[0]
    assert (shaded.get_x(), shaded.get_width()) == pytest.approx((-0.02, 0.04))
    assert "← better" in axes.get_xlabel()
    assert "only to tell them apart" in axes.get_xlabel()
    ends = [line.get_ydata() for line in slopes.lines if list(line.get_xdata()) == [0, 1]]
    assert {tuple(end) for end in ends} == {
        (values["none", seed], values["dropout", seed]) for seed in range(6)
    }
    means = [line for line in slopes.lines if line.get_marker() == "D"]
    runs = record.runs.groupby("regime")["gap/loss"].mean()
    assert [line.get_ydata()[0] for line in means] == pytest.approx([runs["none"], runs["dropout"]])
    several = make_record(SWEEP)
    comparison = several.compare()
    differences = [one.difference for one in comparison.verdicts]
    values = values_of_runs(several.runs, comparison)
    (axes,) = drawn(paired_differences(differences, values, RULE, "en")).axes  # no slopes
    assert axes.get_yticklabels()[0].get_text() == "low\n(n = 6)"


def test_the_seeds_of_near_pairs_can_be_read_where_one_regime_is_compared():
    record = make_record(seeds=10)
    (verdict,) = record.compare().verdicts
    near = {210 + n: -0.02 + 0.0006 * n for n in range(10)}  # a third of the axis from zero on
    difference = dataclasses.replace(
        verdict.difference, by_seed=near, mean=-0.0173, low=-0.019, high=-0.016
    )
    values = {(regime, seed): 0.9 for regime in ("none", "dropout") for seed in near}
    figure = drawn(paired_differences([difference], values, RULE, "en"))
    seeds = [text for text in figure.axes[1].texts if text.get_text().isdecimal()]
    boxes = [text.get_window_extent() for text in seeds]
    assert len(boxes) == 10
    assert not [1 for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]


def test_the_difference_at_equal_fit_is_drawn_with_its_band_range_and_points():
    record = make_record(epochs=8)
    (figure,) = (
        one for name, one in study_figures(record, record.compare(), "en") if name == "equal_fit"
    )
    above, below = drawn(figure).axes
    curve = fit_curve(record.histories, "dropout", "none", 0.95)
    mean = next(line for line in below.lines if len(line.get_xdata()) == len(curve.levels))
    assert mean.get_ydata() == pytest.approx(curve.mean)
    assert len(below.collections[0].get_segments()) == 6
    band = below.collections[1].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx(
        (curve.low.min(), curve.high.max())
    )
    points = next(line for line in below.lines if line.get_marker() == "^")
    assert list(points.get_xdata()) == list(curve.points.values())
    (shared,) = above.patches
    ends = shared.get_x(), shared.get_x() + shared.get_width()
    assert ends == pytest.approx((curve.levels[0], curve.levels[-1]))
    left, right = above.get_xlim()
    assert left > right  # learning goes to the right
    assert "too small to matter" not in said(figure)  # another metric's smallest difference
    one = make_record(missing=tuple(("dropout", seed) for seed in range(6)))
    names_of = dict(study_figures(one, one.compare(), "en"))
    assert len(names_of["equal_fit"].axes) == 1


def test_the_mean_of_a_regime_ends_where_its_first_run_stopped():
    record = make_record(epochs=8)
    curves = record.histories
    of_one = (curves["regime"] == "dropout") & (curves["seed"] == 0)
    record = dataclasses.replace(record, histories=curves[~of_one | (curves["epoch"] <= 3)])
    figures = dict(study_figures(record, record.compare(), "en"))
    for name, lines in {"study_curves": 2, "equal_fit": 1, "gap_over_epochs": 1}.items():
        thick = [line for line in figures[name].axes[0].lines if line.get_linewidth() == 2]
        assert sorted(len(line.get_xdata()) for line in thick) == lines * [3] + lines * [8]


def test_the_numbers_of_epochs_do_not_collide():
    record = make_record(epochs=20)
    figure = drawn(dict(study_figures(record, record.compare(), "en"))["equal_fit"])
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 10
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


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
    (axes,) = drawn(predictions.f1_change(changes, "dropout", "none", "en")).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["boot", "shirt"]
    means = next(line for line in axes.lines if line.get_marker() == "D")
    assert list(means.get_xdata()) == pytest.approx([-0.15, 0.15])


def test_only_a_clear_change_of_a_confusion_is_coloured():
    one, other = (np.stack([np.eye(10)] * 3) for _ in range(2))
    other[:, 0, 0], other[:, 0, 6] = (0.9, 0.91, 0.89), (0.1, 0.09, 0.11)
    other[0, 1, 2] = 0.33  # of one pair alone
    shares = {"none": one, "dropout": other}
    figure = drawn(predictions.confusion_change(shares, range(len(shares["none"])), CLASSES, "en"))
    axes = next(axes for axes in figure.axes if "+10.0" in [text.get_text() for text in axes.texts])
    sizes = {text.get_text(): text.get_fontsize() for text in axes.texts}
    assert {text: size > 7 for text, size in sizes.items()} == {
        "−10.0": True,
        "+10.0": True,
        "+11.0": False,
    }
    assert axes.get_title() == ("coloured: 2 of 3 fields that vary; chance alone colours about 0")
    coloured = axes.images[0].get_array()
    assert np.argwhere(~np.ma.getmaskarray(coloured)).tolist() == [[0, 0], [0, 6]]
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {"dropout − no dropout, percentage points", "% of the true class"} <= labels


def test_no_more_coloured_fields_than_chance_colours_are_called_so():
    rng = np.random.default_rng(1)
    shares = {regime: rng.normal(0.1, 0.01, (8, 10, 10)) for regime in TWO}
    figure = drawn(predictions.confusion_change(shares, range(len(shares["none"])), CLASSES, "en"))
    (title,) = {axes.get_title() for axes in figure.axes if "coloured" in axes.get_title()}
    count, fields = map(int, re.match(r"coloured: (\d+) of (\d+) fields", title).groups())
    assert fields == 100
    assert title.endswith("chance alone colours about 5: no more than chance") == (count <= 5)


def test_an_answer_is_marked_as_right_or_wrong():
    images = np.zeros((2, 28, 28), np.uint8)
    right, wrong = np.eye(10, dtype=np.float32)[[3, 4]], np.eye(10, dtype=np.float32)[[3, 6]]
    found = Disagreements(images, np.array([3, 4]), {"none": wrong, "dropout": right})
    text = said(drawn(predictions.disagreements(found, CLASSES, 2, "en")))
    assert [line[0] for line in text.splitlines() if line[:1] in "✓✗" and line] == list("✓✓✓✗")


def test_two_regimes_differ_in_grey_too():
    def grey(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    pair = list(of_regimes(TWO).values())
    assert abs(grey(pair[0]) - grey(pair[1])) > 60
    rates = ["none", "dropout-0.2", "dropout-0.5", "dropout-0.8"]
    scale = [grey(colour) for colour in of_regimes(rates).values()]
    assert scale == sorted(scale)


def test_a_single_pair_has_no_interval_and_is_drawn():
    record = make_record(seeds=1)
    difference = compare(
        record.runs, "gap/loss", regime="dropout", baseline="none", direction="lower"
    )
    assert difference.n == 1
    values = values_of_runs(record.runs, record.compare())
    _, axes = drawn(paired_differences([difference], values, RULE, "en")).axes
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert list(dots.get_xdata()) == [difference.mean]
    bars = [c for c in axes.collections if isinstance(c, LineCollection) and c.get_segments()]
    lengths = [np.ptp(segment[:, 0]) for bar in bars for segment in bar.get_segments()]
    assert not np.any(np.nan_to_num(lengths)), "an interval of a single pair"


def test_of_a_single_pair_nothing_is_said_of_chance():
    rng = np.random.default_rng(1)
    shares = {regime: rng.normal(0.1, 0.01, (1, 10, 10)) for regime in TWO}
    figure = drawn(predictions.confusion_change(shares, [0], CLASSES, "en"))
    assert "chance" not in said(figure)


def test_a_single_epoch_of_many_regimes_can_be_seen():
    record = make_record(SWEEP, epochs=1)
    (axes,) = drawn(metrics.study_curves(record.histories, list(SWEEP), "en")).axes
    assert all(line.get_marker() not in ("", "None") for line in axes.lines)


def test_long_names_of_two_regimes_do_not_collide():
    record = make_record({"none": 0.0, "dropout-0.5-batch-512-slow": 0.5})
    comparison = record.compare()
    values = values_of_runs(record.runs, comparison)
    differences = [verdict.difference for verdict in comparison.verdicts]
    slopes, _ = drawn(paired_differences(differences, values, RULE, "en")).axes
    one, other = (label.get_window_extent() for label in slopes.get_xticklabels())
    assert not one.overlaps(other)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_metric_and_its_unit_stand_in_two_lines_beside_a_low_panel(language):
    record = make_record(SWEEP)
    figure = metrics.dose_response(record.runs, SWEEP, "dropout", ["gap/loss"], language)
    name, unit = figure.axes[0].get_ylabel().split("\n")
    assert (name, unit[1:-1]) == ("gap/loss", "nats")


def test_a_study_without_a_spread_leaves_the_axis_to_the_others():
    place = Place("gap/loss", "none", False)
    values = {"init": {place: [0.1]}, "init+order": {place: [0.1, 0.2, 0.3]}}
    found = variance("none", values, "init+order")
    (axes,) = drawn(spread_by_source(found, "en")).axes
    assert axes.get_xlim() == pytest.approx((0, 1.2 * found.spreads[place][1].deviation.high))


@pytest.mark.parametrize(("language", "condition"), [("en", "two regimes"), ("ja", "条件が2つ")])
def test_the_left_panel_is_described_for_two_regimes_only(language, condition):
    alt = texts(language)["figures"]["paired_differences"]["alt"]
    left = "on the left" if language == "en" else "左"
    assert alt.index(condition) < alt.lower().index(left)


def test_of_two_pairs_no_field_is_coloured():
    """Images are counted: two pairs often change by the same number of them."""
    rng = np.random.default_rng(0)
    shares = {regime: rng.poisson(1, (2, 10, 10)) / 1_000 for regime in TWO}
    figure = drawn(predictions.confusion_change(shares, [0, 1], CLASSES, "en"))
    assert "coloured" not in said(figure)
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    assert any(np.ma.getmaskarray(picture).all() for picture in pictures)


def test_the_curve_of_one_pair_is_the_mean_of_one_pair():
    assert "mean of 1 pair; thin" in said(drawn_study("one seed", "en")["equal_fit"])
    assert "mean of 6 pairs; thin" in said(drawn_study("two", "en")["equal_fit"])


def test_long_names_of_classes_do_not_collide():
    names = tuple(f"{number} of ten classes whose names are long ones"[:40] for number in range(10))
    images, answers = np.zeros((6, 28, 28), np.uint8), np.eye(10, dtype=np.float32)[:6]
    found = Disagreements(images, np.arange(6), {"none": answers, "dropout": answers})
    figure = drawn(predictions.disagreements(found, names, 2, "en"))
    rows = [[text.get_window_extent() for text in axes.texts] for axes in figure.axes[:3]]
    for left, right in itertools.pairwise(rows):
        assert max(box.x1 for box in left) < min(box.x0 for box in right)
    captions = [f"test {at}\nlabel: {names[at]}\nruns: {names[9 - at]}, 95%" for at in range(6)]
    sheet = drawn(contact_sheet(images, captions, "", "en"))
    boxes = [axes.title.get_window_extent() for axes in sheet.axes]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
