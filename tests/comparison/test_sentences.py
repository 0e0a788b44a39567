from __future__ import annotations

import pytest

from comparison.records import make_record
from comparison.tables import RULE
from fashion_dropout.comparison.record import Changed
from fashion_dropout.comparison.sentences import change_warning, guard_warnings, listed
from fashion_dropout.texts import texts


@pytest.mark.parametrize(
    ("items", "en", "ja"),
    [
        (["a"], "a", "a"),
        (["a", "b"], "a and b", "a、b"),
        (["a", "b", "c"], "a, b and c", "a、b、c"),
    ],
)
def test_a_list_has_an_and(items, en, ja):
    assert listed(items, "en") == en
    assert listed(items, "ja") == ja


def test_a_guard_whose_baseline_has_overfitted_is_warned_of():
    rule = RULE.model_copy(update={"guards": {"val/loss": 0.01, "best/val_loss": 0.01}})
    runs = make_record().runs.assign(**{"best/val_loss": 0.24})
    risen = runs["regime"].map({"none": 0.13, "dropout": 0.0})
    overfitted = make_record(rule=rule, runs=runs.assign(**{"val/loss": 0.24 + risen}))
    (said,) = guard_warnings(overfitted)
    assert "The guard on the validation loss could hardly fail: with no dropout" in said
    assert "0.1300 worse" in said
    assert "best/val_loss would be stricter" in said
    assert "best/val_loss" in guard_warnings(overfitted, "ja")[0]
    little = runs.assign(**{"val/loss": 0.24 + 0.05 * risen})
    assert guard_warnings(make_record(rule=rule, runs=little)) == []


def test_japanese_does_not_say_more_or_less_of_guards_than_english():
    guards = texts("ja")["guards"]
    assert "のうち" not in guards["improved"]
    assert "ガード指標" in guards["overfitted"]
    assert "ガード" not in guards["overfitted"].replace("ガード指標", "")


def test_no_more_runs_were_known_than_there_are():
    """Of six pairs a look has seen 12 runs; 20 more were there when the rule was changed."""
    record = make_record(changed=Changed("2026-01-02", 32, ("rule",)), unused=20)
    assert "after 32 of its 32 runs had been made" in str(change_warning(record))
    assert change_warning(make_record()) is None
