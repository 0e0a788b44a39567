from __future__ import annotations

import math
from dataclasses import replace

import pytest

from comparison.tables import RULE, compared, runs
from fashion_dropout.comparison import figures, summary
from fashion_dropout.comparison.sentences import sentence
from fashion_dropout.config.metrics import COMPARED, described


@pytest.mark.parametrize(
    ("table", "kind", "words"),
    [
        (
            runs(-0.15),
            "better",
            "With dropout, the generalization gap (validation − training loss) is 0.1489 "
            "lower than with no dropout (95 % CI 0.14",
        ),
        (
            runs(+0.15),
            "worse",
            "With dropout, the generalization gap (validation − training loss) is 0.1511 "
            "higher than with no dropout (95 % CI 0.14",
        ),
        (runs(0.0), "no difference that matters", "inside ±0.02"),
        (runs(-0.15, seeds=5), "not shown", "With 5 pairs, the smallest possible p is 0.062"),
        (runs(0.0, noise=0.1), "not shown", "seeds would show a difference"),
        (runs(0.0, seeds=0).reindex(columns=runs(0).columns), "not shown", "no complete pair"),
    ],
)
def test_each_verdict_has_its_words_and_figures(table, kind, words):
    comparison = compared(table)
    (one,) = comparison.verdicts
    assert one.kind == kind
    said = sentence(one, RULE)
    assert words in said
    assert "\n" not in said
    if len(table):
        assert f"n = {len(table) // 2} pairs" in said


def test_two_regimes_give_short_metric_names_and_more_give_the_regime():
    two = summary.difference_metrics(compared(runs(-0.1)))
    assert {f"diff/gap/loss/{name}" for name in ("mean", "low", "high", "bca_low", "p")} <= set(two)
    assert "diff/gap/loss/p_holm" not in two
    assert "diff/test/accuracy/p_holm" in two
    names = ("none", "low", "high")
    three = summary.difference_metrics(compared(runs(-0.1, regimes=names), names[1:]))
    assert {"diff/low/gap/loss/p_holm", "diff/high/gap/loss/p_holm"} <= set(three)
    assert all(math.isfinite(value) for value in three.values())


def test_the_tables_hold_every_figure():
    table = runs(-0.1)
    comparison = compared(table)
    differences = summary.differences_table(comparison, {})
    assert differences["metric"].tolist() == ["gap/loss", "test/accuracy"]
    assert differences.loc[0, [f"seed {s}" for s in range(8)]].notna().all()
    shown = summary.summary_table(table, ["none", "dropout"], comparison)
    assert list(shown.columns) == [
        "metric", "no dropout", "dropout", "dropout − no dropout", "p", "p (Holm)",
    ]  # fmt: skip
    assert shown.loc[0, "dropout − no dropout"].startswith("−0.0989 [")
    assert shown["p"].tolist()[0] == "0.0078"
    assert shown["p (Holm)"].tolist() == ["–", shown.loc[1, "p"]]  # the primary is not adjusted


def test_of_many_regimes_each_metric_has_a_row_for_each_and_a_terminal_shows_what_decides():
    names = ("none", "low", "high")
    table = runs(-0.1, regimes=names)
    comparison = compared(table, names[1:], primary="test/accuracy", secondary=("gap/loss",))
    shown = summary.summary_table(table, names, comparison)
    assert list(shown.columns) == [
        "metric", "regime", "mean", "difference from no dropout", "p", "p (Holm)",
    ]  # fmt: skip
    assert shown["metric"].tolist() == ["gap/loss"] * 3 + ["test/accuracy"] * 3
    assert shown["regime"].tolist() == ["no dropout", "low", "high"] * 2
    assert shown.loc[0, list(shown.columns[3:])].tolist() == ["–"] * 3
    (low,) = (of for of in comparison.secondary if of.regime == "low")
    assert shown.loc[1, "difference from no dropout"] == figures.with_interval(low)
    assert shown.loc[1, "p (Holm)"] == figures.p_text(low.p_holm)
    deciding = summary.deciding_rows(shown, comparison)
    assert deciding["metric"].tolist() == ["test/accuracy"] * 3
    two = compared(runs(-0.1))
    both = summary.summary_table(runs(-0.1), ["none", "dropout"], two)
    assert summary.deciding_rows(both, two) is both


def test_a_guard_that_is_no_secondary_metric_has_a_row_and_is_named_below():
    table = runs(-0.1)
    comparison = compared(table, secondary=(), guards={"test/accuracy": 0.01})
    shown = summary.summary_table(table, ["none", "dropout"], comparison).set_index("metric")
    assert list(shown.index) == ["gap/loss", "test/accuracy"]
    (guarded,) = comparison.verdicts[0].guards
    row = shown.loc["test/accuracy"]
    assert row["dropout − no dropout"] == figures.with_interval(guarded.difference)
    assert row["p (Holm)"] == "–"  # a guard is tested by itself
    assert any("Guards" in note and "test/accuracy" in note
               for note in summary.table_notes(comparison))  # fmt: skip
    assert not any("Guards" in note for note in summary.table_notes(compared(table)))


def test_the_gap_is_the_first_row_and_decides_nothing():
    table = runs(-0.1)
    rule = {"primary": "val/loss_over_equal_fit", "secondary": ("test/accuracy", "gap/loss")}
    comparison = compared(table, **rule)
    shown = summary.summary_table(table, ["none", "dropout"], comparison)
    assert shown["metric"].tolist() == ["gap/loss", "val/loss_over_equal_fit", "test/accuracy"]
    assert shown.loc[0, "p (Holm)"] == "0.016"  # of two comparisons beside the primary one
    assert shown.loc[1, "p (Holm)"] == "–"
    notes = " ".join(summary.table_notes(comparison))
    assert "val/loss_over_equal_fit decides; the other rows describe." in notes
    assert "adjusted for the 2 comparisons beside the primary one" in notes
    assert "no p can be below" not in notes
    two = compared(runs(-0.1, seeds=2), **rule)
    assert "With 2 pairs, no p can be below 0.5" in " ".join(summary.table_notes(two))


def test_an_interval_ends_where_no_value_can_lie():
    table = runs(-0.1).assign(**{"test/ece": [0.0, 0.02] * 8, "test/accuracy": [0.99, 1.0] * 8})
    comparison = compared(table, secondary=("test/ece", "test/accuracy"))
    shown = summary.summary_table(table, ["none", "dropout"], comparison).set_index("metric")
    assert shown.loc["test/ece", "no dropout"] == "0.0000 [0.0000, 0.0000]"
    table["test/ece"] = [0.0, 0.02, 0.03, 0.0] * 4
    shown = summary.summary_table(table[table["seed"] < 2], ["none", "dropout"], comparison)
    assert "[0.0000, " in shown.set_index("metric").loc["test/ece", "no dropout"]


def test_a_number_of_epochs_has_one_decimal_and_neither_interval_nor_p():
    table = runs(-0.1)
    comparison = compared(table, secondary=("epochs_to_equal_fit", "test/accuracy"))
    shown = summary.summary_table(table, ["none", "dropout"], comparison).set_index("metric")
    assert shown.loc["epochs_to_equal_fit"].tolist() == ["3.0", "3.0", "+0.0", "–", "–"]
    assert shown.loc["test/accuracy", "p (Holm)"] == shown.loc["test/accuracy", "p"]
    assert "diff/epochs_to_equal_fit/mean" in summary.difference_metrics(comparison)
    assert "diff/epochs_to_equal_fit/p" not in summary.difference_metrics(comparison)
    primary = compared(table, primary="epochs_to_equal_fit")  # whoever asks for a test gets it
    assert primary.verdicts[0].difference.p == 1.0


def test_a_metric_that_no_run_has_is_shown_as_missing():
    table = runs(-0.1).drop(columns="test/accuracy")
    comparison = compared(table)
    shown = summary.summary_table(table, ["none", "dropout"], comparison)
    assert shown.loc[1, ["no dropout", "dropout"]].tolist() == ["–", "–"]
    assert shown.loc[1, "dropout − no dropout"] == "–"
    assert summary.difference_metrics(comparison).keys().isdisjoint({"diff/test/accuracy/mean"})


def test_a_difference_of_fewer_pairs_than_there_are_says_of_how_many():
    table = runs(-0.1)
    table["test/accuracy"] = table["test/accuracy"].where(table["seed"] != 3)
    shown = summary.summary_table(table, ["none", "dropout"], compared(table))
    gap, accuracy = shown["dropout − no dropout"]
    assert "n =" not in gap
    assert accuracy.endswith(", n = 7")


def test_the_notes_say_how_small_a_p_can_be_and_that_the_study_stopped():
    comparison = compared(runs(-0.1), secondary=("test/accuracy", "val/loss"))  # 8 pairs
    assert not any("can be below" in note for note in summary.table_notes(comparison))
    many = tuple(metric for metric in COMPARED if metric != RULE.primary)[:12]
    comparison = compared(runs(-0.1), secondary=many)
    tested = sum(not described(metric) for metric in many)
    (least,) = (note for note in summary.table_notes(comparison) if "can be below" in note)
    assert f"8 pairs and {tested} comparisons, no p (Holm) can be below {tested / 128:.2g}" in least
    (few,) = (
        note
        for note in summary.table_notes(compared(runs(-0.1, seeds=5)))
        if "can be below" in note
    )
    assert "With 5 pairs, no p can be below 0.062" in few
    verdicts = tuple(replace(verdict, adjusted=-0.09) for verdict in comparison.verdicts)
    stopped = summary.table_notes(replace(comparison, verdicts=verdicts))
    assert "stopped early, which biases the mean of gap/loss" in " ".join(stopped)


def test_no_note_speaks_of_the_family_of_the_regimes():
    table = runs(-0.1, regimes=("none", "low", "high"))
    many = ("test/accuracy", "val/loss", "train/loss", "test/nll")
    comparison = compared(table, ("low", "high"), secondary=many)
    (least,) = (one for one in summary.table_notes(comparison) if "can be below" in one)
    assert "8 comparisons beside the primary metric, no p (Holm) of these can be below" in least
    primary = [of.difference.p_holm for of in comparison.verdicts]
    assert max(primary) < 0.0625  # which stands in the same column


def test_no_note_speaks_of_fewer_pairs_than_a_row_has():
    table = runs(-0.1)
    table["gap/loss"] = table["gap/loss"].where(table["seed"] < 5)
    assert not any("can be below" in one for one in summary.table_notes(compared(table)))


def test_the_note_says_the_confidence_of_differences():
    comparison = compared(runs(-0.1), alpha=0.01)
    assert comparison.secondary[0].confidence == 0.99
    assert "of one seed (with confidence 1 − alpha" in summary.table_notes(comparison)[0]


def test_a_guard_that_is_the_one_secondary_metric_keeps_its_adjusted_p():
    table = runs(-0.1)
    comparison = compared(table, guards={"test/accuracy": 0.01})
    shown = summary.summary_table(table, ["none", "dropout"], comparison).set_index("metric")
    assert shown.loc["test/accuracy", "p (Holm)"] == shown.loc["test/accuracy", "p"]
    assert shown.loc["gap/loss", "p (Holm)"] == "–"


def test_the_two_families_of_several_regimes_are_named():
    names = ("none", "low", "high")
    comparison = compared(runs(-0.1, regimes=names), names[1:])
    said = " ".join(summary.table_notes(comparison))
    assert "the 2 comparisons in gap/loss, and the 2 comparisons in the secondary metrics" in said
    assert "beside the primary one" not in said


def test_a_gap_below_zero_that_falls_further_is_lower_and_not_narrower():
    table = runs(-0.05)
    table["gap/loss"] -= 0.35  # about −0.05 without dropout, −0.10 with it
    (one,) = compared(table).verdicts
    assert one.kind == "better"
    assert " lower than with no dropout" in sentence(one, RULE)
