"""The fault matrix of ``docs/reliability.md``: no row without a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import ROOT

PAGES = ("reliability.md", "reliability.ja.md")


def rows(page: str) -> dict[int, list[str]]:
    """Number of each row → the tests that it names."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    numbered = [cells for cells in found if cells[0].isdecimal()]
    assert all(len(cells) == 4 and all(cells) for cells in numbered)
    assert len({cells[0] for cells in numbered}) == len(numbered)
    return {int(cells[0]): re.findall(r"`([^`]+)`", cells[3]) for cells in numbered}


def test_both_languages_have_the_same_rows_and_name_the_same_tests():
    english, japanese = map(rows, PAGES)
    assert english == japanese
    assert sorted(english) == list(range(1, 71))


@pytest.mark.parametrize(("row", "tests"), rows(PAGES[0]).items())
def test_each_row_names_tests_that_exist(row, tests):
    assert tests, f"row {row} has no test"
    for test in tests:
        path, _, name = test.partition("::")
        assert "def test_" in (text := (ROOT / path).read_text(encoding="utf-8"))
        assert f"def {name}(" in text if name else True


def test_each_test_of_a_row_stands_in_it():
    for path in (ROOT / "tests/faults").glob("test_[0-9]*.py"):
        row = int(Path(path).name.split("_")[1])
        assert any(test.startswith(f"tests/faults/{path.name}") for test in rows(PAGES[0])[row])


@pytest.mark.parametrize(
    ("page", "said"), list(zip(PAGES, ("lists {} ways", "起こりうる {} の障害"), strict=True))
)
def test_the_page_says_how_many_rows_it_has(page, said):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert said.format(len(rows(page))) in text
