"""Values of a study that pages show say what its report says."""

from __future__ import annotations

import dataclasses

from comparison.records import make_record
from comparison.tables import RULE
from fashion_dropout.comparison.detail import details
from fashion_dropout.studies.blocks import blocks, values
from fashion_dropout.texts import LANGUAGES

SECONDARY = ("test/accuracy", "test/nll", "test/ece")


def test_values_are_those_of_the_tables_of_the_report():
    record = make_record(rule=RULE.model_copy(update={"secondary": SECONDARY}))
    comparison = record.compare()
    found, shown = values(record, comparison), details(record, comparison)
    for row in shown["pairing"].table.itertuples(index=False):
        assert found[f"{row[0]} dropout half"] == row[2]
        assert found[f"{row[0]} dropout unpaired"] == row[3]
    for row in shown["images"].table.itertuples(index=False):
        assert found[f"{row[0]} dropout images"] == row[4]
    temperatures = shown["recalibration"].table.iloc[:2, 1].astype(float)
    for regime, temperature in zip(record.regimes, temperatures, strict=True):
        assert abs(float(found[f"temperature {regime}"]) - temperature) <= 0.006
    left = found["test/nll dropout left"]
    assert f"{left} of the gain survives" in shown["recalibration"].sentences[0]
    low, high = found["test/nll dropout left interval"].strip("[]").split(", ")
    assert int(low.split()[0].replace("−", "-")) <= int(left.split()[0]) <= int(high.split()[0])
    size = float(found["test/nll dropout size"]) / float(found["test/nll none"])
    assert abs(100 * size - float(found["test/nll dropout relative"].split()[0])) < 0.6


def test_a_study_without_validation_predictions_has_no_values_of_recalibration():
    record = make_record()
    assert record.results is not None
    without = dataclasses.replace(record.results, recalibrated=make_record(seeds=0).histories)
    old = dataclasses.replace(record, results=without)
    found = values(old, old.compare())
    assert "gap/loss dropout half" in found
    assert not [name for name in found if name.startswith("temperature") or " left" in name]


def test_a_regime_without_runs_has_dashes_in_every_block():
    lost = tuple(("a", seed) for seed in range(6))
    record = make_record({"none": 0.0, "a": 0.2, "b": 0.5}, missing=lost)
    for language in LANGUAGES:
        found = blocks(record, record.compare(), language)
        assert "nan" not in "".join(found.values())
        assert found["short"].splitlines()[2].split(" | ")[2] == "–"
