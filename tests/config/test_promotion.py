from __future__ import annotations

import pytest

from conftest import ROOT
from fashion_dropout.config.promotion import read_policy
from fashion_dropout.errors import UsageError

GOOD = (ROOT / "experiments/promotion.toml").read_text(encoding="utf-8")


def test_the_policy_of_the_project_can_be_read():
    policy = read_policy(ROOT / "experiments/promotion.toml")
    assert policy.largest_drift == 1e-4
    assert policy.against_champion.smallest_improvement > 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("accuracy =", "acuracy =", r"key of \[floors\].*'acuracy'; did you mean 'accuracy'?"),
        ("largest_drift", "largest_drfit", "did you mean 'largest_drift'?"),
        ("[floors]", "[floor]", "received 'floor'; did you mean 'floors'?"),
        ("accuracy = 0.90", "", "expected floors.accuracy, received nothing of that name"),
        ("accuracy = 0.90", "accuracy = 90", "floors.accuracy: .* received 90"),
        ("accuracy = 0.90", "accuracy = nan", "floors.accuracy: .* received nan"),
        ("margin = 0.005", "margin = 0.0", "non_inferiority_margin: .* received 0.0"),
        ("improvement = 0.001", "improvement = 0", "smallest_improvement: .* received 0"),
        ('"reported"', '"maybe"', "mcnemar: .* received 'maybe'"),
        ("[floors]", "[floors", "expected TOML"),
    ],
)
def test_a_file_that_declares_no_policy_is_refused_in_one_line(tmp_path, old, new, message):
    assert old in GOOD
    path = tmp_path / "gate.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as refused:
        read_policy(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"expected a promotion file .*none\.toml"):
        read_policy(tmp_path / "none.toml")
