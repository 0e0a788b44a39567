from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from comparison.records import make_record
from comparison.tables import RULE
from fashion_dropout.comparison.detail import best_epoch, details
from fashion_dropout.comparison.pairing import unpaired_half_width
from fashion_dropout.texts import texts

SECONDARY = ("test/accuracy", "test/nll", "test/ece")


def shown(language="en", **changes):
    rule = RULE.model_copy(update={"secondary": SECONDARY})
    record = make_record(**{"rule": rule, **changes})
    return details(record, record.compare(), language)


def test_test_metrics_have_an_interval_for_these_images_and_one_for_images_like_these():
    table = shown()["images"].table
    assert table["metric"].tolist() == list(SECONDARY)
    assert list(table.columns[-2:]) == ["for these images", "for images like these"]
    assert (table != "–").all(axis=None)


def test_recalibration_says_how_much_of_a_gain_survives():
    found = shown()["recalibration"]
    assert found.table["regime"].tolist() == ["no dropout", "dropout", "dropout − no dropout"]
    nll, ece = found.sentences
    # Made up: 0.01 of 0.10 survive in the negative log-likelihood. In the other, the true share
    # is zero: its interval contains zero, so that nothing is shown to survive, whatever the mean.
    share = int(nll.partition(" % of the gain survives")[0].rpartition(" ")[2])
    assert 2 <= share <= 20
    words = texts("en")["recalibration"]
    assert nll.endswith(words["rest"])
    assert "It is not shown that any of the gain survives (estimated share " in ece
    assert "% of the gain survives" not in ece


def test_a_gain_that_recalibration_turns_round_survives_in_nothing():
    record = make_record(rule=RULE.model_copy(update={"secondary": SECONDARY}))
    assert record.results is not None
    table = record.results.recalibrated.copy()
    table.loc[table["regime"] == "dropout", "test/nll_recalibrated"] += 0.05
    results = dataclasses.replace(record.results, recalibrated=table)
    record = dataclasses.replace(record, results=results)
    nll, _ = details(record, record.compare())["recalibration"].sentences
    assert "None of the gain survives: after recalibration, dropout is worse (share −" in nll


def test_a_gain_that_is_not_shown_cannot_survive():
    record = make_record(rule=RULE.model_copy(update={"secondary": SECONDARY}))
    runs = record.runs.assign(**{"test/nll": 0.3, "test/ece": 0.03})
    record = dataclasses.replace(record, runs=runs)
    for sentence in details(record, record.compare())["recalibration"].sentences:
        assert "of the gain survives" not in sentence
        assert sentence.endswith(texts("en")["recalibration"]["undefined"])


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_metric_without_values_is_a_dash_and_no_sentence(language):
    record = make_record(rule=RULE.model_copy(update={"secondary": SECONDARY}))
    runs = record.runs.assign(**{"test/ece": float("nan")})
    record = dataclasses.replace(record, runs=runs)
    found = details(record, record.compare(), language)["recalibration"]
    assert len(found.sentences) == 1
    assert (found.table[texts(language)["recalibration"]["ece"]] == "–").all()
    assert (
        not found.table.astype(str).apply(lambda column: column.str.contains("nan")).any(axis=None)
    )


def test_without_validation_predictions_there_is_no_recalibration():
    record = make_record()
    assert record.results is not None
    without = dataclasses.replace(record.results, recalibrated=make_record(seeds=0).histories)
    old = dataclasses.replace(record, results=without)
    assert "recalibration" not in details(old, old.compare())


def test_what_pairing_gained_is_computed():
    table = shown()["pairing"].table
    assert table["metric"].tolist() == ["gap/loss", *SECONDARY]
    assert table["ratio"].astype(float).gt(0).all()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_detail_has_its_words(language):
    record = with_best_epochs()
    found = details(record, record.compare(), language)
    assert list(found) == ["best_epoch", "images", "recalibration", "pairing", "effects"]


def with_best_epochs(**changes):
    rule = RULE.model_copy(update={"secondary": SECONDARY})
    record = make_record(**{"rule": rule, **changes})
    worse = record.runs["regime"] == "none"
    noise = record.runs["seed"] / 1_000
    runs = record.runs.assign(
        **{"best/val_loss": 0.25 - 0.01 * ~worse + noise, "best/val_accuracy": 0.9 - noise}
    )
    return dataclasses.replace(record, runs=runs)


def test_the_best_epoch_is_compared_where_the_study_does_not_declare_it():
    record = with_best_epochs()
    table = details(record, record.compare())["best_epoch"].table
    assert list(table.columns) == ["metric", "no dropout", "dropout", "dropout − no dropout"]
    assert table["metric"].tolist() == ["best/val_loss", "best/val_accuracy"]
    assert table.loc[0, "dropout − no dropout"].startswith("−0.0100 [")
    assert table.loc[1, "dropout − no dropout"].startswith("+0.0000 [")
    declared = RULE.model_copy(update={"secondary": ("best/val_loss",)})
    both = details(with_best_epochs(rule=declared), record.compare())["best_epoch"].table
    assert both["metric"].tolist() == ["best/val_accuracy"]
    assert "best_epoch" not in details(make_record(), make_record().compare())


def test_the_unpaired_half_width_is_that_of_welch():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, 8), rng.normal(0, 3, 12)
    interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert unpaired_half_width(one, other) == pytest.approx((interval.high - interval.low) / 2)
    assert np.isnan(unpaired_half_width(one[:1], other))
    assert unpaired_half_width(np.zeros(3), np.zeros(3)) == 0


@pytest.mark.parametrize(("language", "alpha"), [("en", "1 − alpha"), ("ja", "1 − 有意水準")])
def test_every_table_of_differences_says_the_confidence_of_its_intervals(language, alpha):
    for name in ("best_epoch", "images", "recalibration"):
        assert alpha in texts(language)[name]["caption"], name
    figure = texts(language)["figures"]["paired_differences"]["caption"]
    assert alpha in figure  # and not that this interval decides about equivalence
    assert {"en": "1 − 2·alpha", "ja": "1 − 2·有意水準"}[language] in figure


def test_a_number_of_epochs_has_no_width_and_no_effect_size():
    """It cannot exceed those that were trained, so it has no interval anywhere."""
    epochs = "epochs_to_equal_fit"
    record = make_record(rule=RULE.model_copy(update={"secondary": (epochs, "test/accuracy")}))
    comparison = record.compare()
    assert epochs in {difference.metric for difference in comparison.differences}
    for found in details(record, comparison, "en").values():
        table = found.table.to_string()
        assert (epochs in table, "nan" in table) == (False, False), table


def test_an_interval_at_the_best_epoch_respects_its_bound():
    record = make_record(seeds=3)
    values = {"best/val_accuracy": [1.0, 1.0, 0.99, 0.99, 1.0, 1.0]}
    record = dataclasses.replace(record, runs=record.runs.assign(**values))
    assert best_epoch(record, "en").table["no dropout"][0] == "0.9967 [0.9823, 1.0000]"
    first = dataclasses.replace(record, runs=record.runs[record.runs["seed"] == 0])
    assert best_epoch(first, "en").table["no dropout"][0] == "1.0000"
