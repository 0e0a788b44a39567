"""Counted nouns: one of them, or several."""

from __future__ import annotations

import re
import tomllib

import pytest

from conftest import ROOT
from fashion_dropout.texts import OF_A_TABLE, Count, texts


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs"), (1_200, "1,200 pairs")]
)
def test_a_count_has_its_noun(number, text):
    assert f"{Count(number):pair|pairs}" == text
    assert f"{Count(number)}" == str(number)


def test_nothing_that_is_shown_counts_without_it():
    """A noun in the plural behind a number that may be 1."""
    nouns = "seeds|epochs|cells|pairs|entries|batches|masks"
    plural = re.compile(rf"(?<!of )(?<![-–/×]){{[^{{}}|]*}} (finished )?({nouns})\\b")
    allowed = re.compile(
        r"{all_cells}|study\.(seeds|regimes)|for {n}|{n} pairs \(|n = {n} pairs|"
        r"^(too_)?few = |{seeds} seeds|len\(record\.cells\)|_ended"
    )
    found = []
    for path in [*(ROOT / "src").rglob("*.py"), ROOT / "src/fashion_dropout/texts/en.toml"]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if plural.search(line) and not allowed.search(line):
                found.append(f"{path.name}: {line.strip()}")
    assert found == []


def test_what_is_said_otherwise_of_a_table_takes_the_place_of_something_in_both_languages():
    def places(texts, path=""):
        for key, value in texts.items():
            yield f"{path}{key}"
            if isinstance(value, dict):
                yield from places(value, f"{path}{key}.")

    found = {}
    for language, table in OF_A_TABLE.items():
        base, changed = (
            tomllib.loads((ROOT / f"src/fashion_dropout/texts/{name}.toml").read_text("utf-8"))
            for name in (language, table)
        )
        found[language] = set(places(changed))
        new = {"environment.table", "environment.table.sha256", "environment.program"}
        assert found[language] - new <= set(places(base))
        assert texts(table)["regimes"] == texts(table)["metrics"] == {}
        assert texts(table)["verdict"]["change"] == texts(language)["verdict"]["change"]
    assert found["en"] == found["ja"]


def test_no_japanese_number_has_a_counter_that_ends_at_nine():
    japanese = (ROOT / "src/fashion_dropout/texts/ja.toml").read_text(encoding="utf-8")
    assert not re.findall(r"\{\w+\}つ", japanese)


@pytest.mark.parametrize("language", ["ja", "ja-table"])
def test_japanese_puts_no_condition_into_the_middle_of_a_conclusion(language):
    assert "考えても（" not in texts(language)["figures"]["equal_fit"]["caption"]
