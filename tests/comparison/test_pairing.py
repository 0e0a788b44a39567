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


def test_what_two_runs_draw_is_the_same_exactly_if_they_draw_it_from_the_same_seed():
    table = runs(-0.1).assign(weights="w", order="o", masks="")
    table["weights"] += table["seed"].astype(str)
    digests = {"init": "weights", "order": "order", "masks": "masks", "split": "not recorded"}
    seeds = {"init": list(table["seed"]), "masks": list(table["seed"])}
    fixed = [0] * len(table)
    declared = {**seeds, "order": fixed, "split": fixed}
    assert pairing.misplaced(table, declared, digests) == {}
    assert pairing.misplaced(table, {**declared, "order": seeds["init"]}, digests) == {
        "still": ["order"]
    }
    assert pairing.misplaced(table, {**declared, "init": fixed}, digests) == {"moved": ["init"]}
    table.loc[1, "weights"] = "another"
    assert pairing.misplaced(table, declared, digests) == {"moved": ["init"]}


def test_pairs_of_mixed_kernels_are_told_from_pairs_that_differ_from_each_other():
    table = runs(-0.1).assign(isa="avx2", onednn="on")
    columns = ("isa", "onednn")
    assert pairing.mixed_pairs(table, columns) is None
    table.loc[table["seed"] == 2, "isa"] = "avx512_core"
    assert pairing.mixed_pairs(table, columns) == []
    table.loc[(table["seed"] == 5) & (table["regime"] == "none"), "onednn"] = "off"
    assert pairing.mixed_pairs(table, columns) == [5]
    assert pairing.mixed_pairs(table.head(0), columns) is None
