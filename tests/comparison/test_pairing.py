from __future__ import annotations

from comparison.tables import runs
from fashion_dropout.comparison import pairing


def unpaired(table) -> list[str]:
    return pairing.unpaired(
        table,
        "none",
        within_pairs=("dataset.sha256", "weights.initial.sha256"),
        everywhere=("dataset.sha256",),
    )


def test_pairs_that_began_differently_are_found():
    table = runs(-0.1)
    assert unpaired(table) == []
    table.loc[1, "weights.initial.sha256"] = "other"
    table.loc[3, "dataset.sha256"] = ""
    found = unpaired(table)
    assert "seed 0: dropout and none differ in weights.initial.sha256" in found
    assert "seed 1: dropout and none differ in dataset.sha256" in found
    assert "the runs differ in dataset.sha256" in found
    assert unpaired(table[table["regime"] == "none"].head(2)) == []
