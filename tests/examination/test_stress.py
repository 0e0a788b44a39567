"""What is concluded from accuracies under corruption, and how it is shown."""

import numpy as np
import pandas as pd
import pytest

from comparison.records import make_record
from fashion_dropout.comparison.statistics import holm, sign_flip_p
from fashion_dropout.config.cell import pair_number
from fashion_dropout.examination.corruptions import CORRUPTIONS, SEVERITIES
from fashion_dropout.examination.stress import CLEAN, Stress


@pytest.fixture
def stress() -> Stress:
    rng = np.random.default_rng(0)
    kinds = [(CLEAN, 0), *((kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES)]
    table = pd.DataFrame(
        {
            "regime": regime,
            "seed": seed,
            "corruption": kind,
            "severity": severity,
            "accuracy": 0.9 - 0.1 * severity + 0.02 * (regime == "dropout") * severity
            + rng.normal(0, 0.01),
            "nll": 1.0,
        }
        for regime in ("none", "dropout")
        for seed in range(6)
        for kind, severity in kinds
    )  # fmt: skip
    return Stress(make_record(), 5_000, table)


def test_differences_are_paired_means_over_severities_in_one_family(stress):
    found = {of.metric: of for of in stress.differences()}
    assert list(found) == [CLEAN, *CORRUPTIONS]
    mean = stress.table.groupby(["corruption", "regime", "seed"])["accuracy"].mean()
    p_values = []
    for kind in CORRUPTIONS:
        values = (mean[kind]["dropout"] - mean[kind]["none"]).to_numpy()
        assert found[kind].mean == pytest.approx(values.mean())
        assert list(found[kind].by_seed.values()) == pytest.approx(values)
        p_values.append(sign_flip_p(values))
    assert [found[kind].p_holm for kind in CORRUPTIONS] == holm(p_values)


def test_the_table_and_the_figure_show_every_corruption(stress):
    text = stress.text()
    assert "12 models, the first 5,000 test images, each corruption at 5 severities" in text
    assert [line.split()[0] for line in text.splitlines()[3:]] == [CLEAN, *CORRUPTIONS]
    for language in ("en", "ja"):
        assert stress.figure(language).startswith(b"\x89PNG")


def test_pairs_of_one_seed_have_no_interval(stress):
    table = stress.table[stress.table["seed"] < 2]
    crossed = table.assign(seed=table["seed"].map(lambda split: pair_number(0, int(split))))
    assert "nan" not in Stress(stress.record, 5_000, crossed).text()


def test_regimes_without_a_common_seed_have_no_difference(stress):
    table = stress.table
    apart = table[(table["regime"] == "none") == (table["seed"] < 3)]
    text = Stress(stress.record, 5_000, apart).text()
    assert "nan" not in text
    assert all(line.split()[-3:] == ["–"] * 3 for line in text.splitlines()[4:])
