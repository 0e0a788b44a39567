from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from fashion_dropout.config.decision import Decision
from fashion_dropout.promotion import selection
from fashion_dropout.texts import LANGUAGES

RULE = Decision(
    primary="gap/loss", direction="lower", smallest_difference=0.02, alpha=0.05, baseline="none"
)
REGIMES = {
    "none": {"dropout": 0.0},
    "little": {"dropout": 0.2},
    "much": {"dropout": 0.8},
}


def comparison(**kinds: str):
    """A comparison with these verdicts; the regime that is named last differs most."""
    verdicts = [
        SimpleNamespace(
            kind=kind, difference=SimpleNamespace(regime=regime, mean=-0.1 * (place + 1))
        )
        for place, (regime, kind) in enumerate(kinds.items())
    ]
    return SimpleNamespace(rule=RULE, verdicts=verdicts)


@pytest.mark.parametrize(
    ("kinds", "undecided", "regime", "reason"),
    [
        ({"little": "better", "much": "not shown"}, "simpler", "little", "better"),
        ({"little": "better", "much": "better"}, "nothing", "much", "better"),
        ({"little": "worse", "much": "worse"}, "much", "none", "worse"),
        ({"little": "not shown", "much": "worse"}, "simpler", "none", "simpler"),
        ({"little": "no difference that matters", "much": "worse"}, "much", "much", "declared"),
    ],
)
def test_the_verdict_chooses_the_regime_or_else_the_study_does(kinds, undecided, regime, reason):
    choice = selection.choose_regime(comparison(**kinds), REGIMES, undecided)
    assert choice == selection.Choice(regime, reason)
    for language in LANGUAGES:
        assert regime in choice.sentence(language)


def test_the_simpler_regime_has_the_lowest_rate_even_if_the_baseline_has_not():
    regimes = {"much": {"dropout": 0.8}, "none": {"dropout": 0.0}}
    choice = selection.choose_regime(comparison(none="not shown"), regimes, "simpler")
    assert choice == selection.Choice("none", "simpler")


def test_a_study_can_declare_that_there_is_no_candidate():
    kinds = {"little": "not shown", "much": "no difference that matters"}
    assert selection.choose_regime(comparison(**kinds), REGIMES, "nothing") is None


@pytest.mark.parametrize(
    ("losses", "seed"), [([0.3], 0), ([0.1, 0.5, 0.2], 2), ([0.4, 0.1, 0.2, 0.3], 3)]
)
def test_the_median_run_is_taken_and_of_two_the_worse(losses, seed):
    runs = pd.DataFrame(
        [{"regime": "much", "seed": s, "val/loss": loss} for s, loss in enumerate(losses)]
        + [{"regime": "none", "seed": 9, "val/loss": 0.0}]
    )
    runs["run_id"] = runs["seed"].astype(str)
    for order in (runs, runs[::-1]):
        assert selection.median_run(order, "much", "val/loss") == str(seed)
