"""What is said before a study runs that can show nothing."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT
from fashion_dropout.config.study import read_study
from fashion_dropout.studies.compare import warnings_of

QUICK = read_study(ROOT / "experiments/dropout/quick.toml")


@pytest.mark.parametrize(
    ("seeds", "alpha", "advice"),
    [
        (5, 0.05, "5 seeds can give no p below 0.062, .*; at least 6 are needed$"),
        (20, 5e-5, "20 seeds can give no p below 0.0001, .*; declare fewer regimes, or a larger"),
    ],
)
def test_a_study_that_can_show_nothing_says_what_would_help(seeds, alpha, advice):
    rule = QUICK.decision.model_copy(update={"alpha": alpha})
    study = QUICK.model_copy(update={"seeds": tuple(range(seeds)), "decision": rule})
    [warning] = warnings_of(study)
    assert re.search(advice, warning)


def test_a_study_that_can_show_a_difference_is_not_warned_of():
    assert warnings_of(QUICK) == []
