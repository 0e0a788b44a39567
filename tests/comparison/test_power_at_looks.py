from __future__ import annotations

import numpy as np
import pytest

from comparison.tables import RULE
from fashion_dropout.comparison.guards import guard
from fashion_dropout.comparison.power_at_looks import expected_pairs, power_at_looks
from fashion_dropout.comparison.sequential import of_studies, sign_flip_looks
from fashion_dropout.comparison.statistics import Difference, t_interval, t_intervals

M = RULE.smallest_difference
LOOKS = (7, 9, 11)
LOOKED = RULE.model_copy(update={"looks": LOOKS, "guards": {"val/loss": 0.01}})


def decided(primary: np.ndarray, harm: np.ndarray, comparisons: int) -> np.ndarray:
    """By each look, of one study with the tests of the verdict: difference, no harm, equivalence.

    Args:
        primary: Differences whose true mean is zero.
        harm: Those of the guard.
        comparisons: How many regimes are compared.
    """
    each = [newly / comparisons for newly in LOOKED.spending]

    def shown(values: np.ndarray, two_sided: bool) -> np.ndarray:
        found = sign_flip_looks(values, LOOKS, each, two_sided=two_sided)
        return np.logical_or.accumulate([one.significant for one in found])

    difference = shown(primary + M, two_sided=True)
    none = shown(M + primary, two_sided=False) & shown(M - primary, two_sided=False)
    rows = []
    for look, pairs in enumerate(LOOKS):
        values = primary[:pairs]
        low = t_interval(values + M, 1 - LOOKED.alpha / comparisons)[0]
        ends = t_interval(values, 1 - 2 * each[look])
        seen = Difference("val/loss", "", dict(enumerate(harm[:pairs])), *[0.0] * 8)
        harmed = guard(seen, 0.01, LOOKED.spending[look], "lower")
        clear = harmed.kind == "no harm that matters"
        found = difference[look] and low > 0
        inside = none[look] and ends[0] > -M and ends[1] < M
        rows.append((found, found and clear, inside))
    return np.logical_or.accumulate(rows)


def decided_at_once(primary: np.ndarray, harm: np.ndarray, comparisons: int) -> np.ndarray:
    """`decided` of many studies, a row each; of shape (looks, 3, studies)."""
    each = [newly / comparisons for newly in LOOKED.spending]

    def shown(values: np.ndarray, two_sided: bool) -> np.ndarray:
        p, level = of_studies(values, LOOKS, each, two_sided=two_sided)
        return np.logical_or.accumulate((p > 0) & (p <= level), axis=1)

    difference = shown(primary + M, two_sided=True)
    none = shown(M + primary, two_sided=False) & shown(M - primary, two_sided=False)
    rows = []
    for look, pairs in enumerate(LOOKS):
        values = primary[:, :pairs]
        _, low, _ = t_intervals(values + M, 1 - LOOKED.alpha / comparisons)
        _, left, right = t_intervals(values, 1 - 2 * each[look])
        _, _, most = t_intervals(harm[:, :pairs], 1 - 2 * LOOKED.spending[look])
        found = difference[:, look] & (low > 0)
        inside = none[:, look] & (left > -M) & (right < M)
        rows.append((found, found & (most < 0.01), inside))
    return np.logical_or.accumulate(np.array(rows), axis=0)


@pytest.mark.parametrize(
    ("effect", "comparisons", "studies"),
    [
        (0.5, 3, 500),
        *(
            pytest.param(*case, 10_000, marks=pytest.mark.slow)
            for case in ((0.5, 1), (1, 1), (1, 3), (2, 1))
        ),
    ],
)
def test_the_power_by_each_look_is_that_of_studies_that_look(effect, comparisons, studies):
    """Within three points where there are 10,000 studies, as far as chance allows with fewer."""
    rng = np.random.default_rng(1)
    shape = (studies, LOOKS[-1])
    primary, harm = rng.normal(0, M / effect, shape), rng.normal(0, 0.008, shape)
    seen = decided_at_once(primary, harm, comparisons)
    for study in range(0, studies, studies // 500):  # 500 of them by the verdict's own functions
        alone = decided(primary[study], harm[study], comparisons)
        assert seen[..., study].tolist() == alone.tolist()
    known = {"gap/loss": M / effect, "val/loss": 0.008}
    looks = power_at_looks(known, LOOKED, comparisons)
    found = [(one.difference, one.unharmed, one.equivalence) for one in looks]
    error = max(0.03, 3 * np.sqrt(0.25 / studies))
    assert np.array(found) == pytest.approx(seen.mean(axis=2), abs=error)
    assert [one.pairs for one in looks] == list(LOOKS)


def test_a_study_ends_when_all_its_regimes_are_decided():
    looks = power_at_looks({"gap/loss": M}, LOOKED)
    assert expected_pairs(looks, [0.0, 0.0, 0.0]) == 11
    assert expected_pairs(looks, [1.0, 1.0, 1.0], 5) == 7
    assert expected_pairs(looks, [0.5, 0.75, 0.8]) == pytest.approx(7 * 0.5 + 9 * 0.25 + 11 * 0.25)
    assert expected_pairs(looks, [0.5, 0.5, 0.5], 2) == pytest.approx(7 * 0.25 + 11 * 0.75)
