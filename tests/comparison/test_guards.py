from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from comparison.tables import runs
from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.guards import guard


def difference(values: list[float], metric: str = "val/loss"):
    table = runs(0.0, seeds=len(values))
    table[metric] = 0.0
    table.loc[table["regime"] == "dropout", metric] = values
    return statistics.compare(table, metric, regime="dropout", baseline="none", direction="lower")


def test_the_limits_are_one_sided_ones_of_a_paired_t_test():
    values = np.array([0.002, 0.004, -0.001, 0.003, 0.0, 0.005])
    found = guard(difference(list(values)), 0.01, 0.05, "lower")
    upper = stats.ttest_1samp(values, 0).confidence_interval(0.9).high
    assert found.high == pytest.approx(upper)
    assert stats.ttest_1samp(values, found.low, alternative="greater").pvalue == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("shift", "kind"),
    [(-0.01, "no harm that matters"), (0.005, "no harm that matters"), (0.02, "harm")],
)
def test_harm_is_what_is_worse(shift, kind):
    values = [shift + step for step in (0.001, -0.001, 0.002, -0.002, 0.0, 0.0)]
    assert guard(difference(values), 0.01, 0.05, "lower").kind == kind
    accuracy = difference([-value for value in values], "val/accuracy")
    assert guard(accuracy, 0.01, 0.05, "higher").kind == kind


def test_a_small_harm_that_is_shown_but_below_the_margin_does_not_matter():
    values = [0.004, 0.005, 0.006, 0.004, 0.005, 0.006]
    found = guard(difference(values), 0.01, 0.05, "lower")
    assert found.low > 0
    assert found.kind == "no harm that matters"


def test_one_pair_excludes_no_harm():
    found = guard(difference([-1.0]), 0.01, 0.05, "lower")
    assert found.kind == "harm not excluded"
    assert math.isnan(found.high)
