from __future__ import annotations

import pytest

from fashion_dropout.plain_table import plain_table


def test_columns_are_aligned_and_lines_end_without_spaces():
    text = plain_table([["file", "class"], ["a much longer name", "Coat"], ["b", ""]])
    assert text == "file                class\na much longer name  Coat\nb\n"


def test_wide_characters_count_as_two_columns():
    spaces = {"クラス": 11, "シャツ/トップス": 2, "Ｔ": 15, "T\u3000": 14, "か\u3099": 15}
    assert plain_table([[name, "1"] for name in spaces]).splitlines() == [
        name + " " * count + "1" for name, count in spaces.items()
    ]


@pytest.mark.parametrize("length", [79, 500, 100_000])
def test_no_line_is_wrapped_or_cropped(length):
    assert plain_table([["name", "x"], ["long " * length, "1"]]).splitlines()[1] == (
        "long " * length + "  1"
    )


def test_markup_is_text_and_control_characters_are_escaped():
    for cell, shown in {
        "[bold]a[/bold] :smile:": "[bold]a[/bold] :smile:",
        "two\nlines\r.png": r"two\nlines\r.png",
        "\x1b[31mred\t": r"\x1b[31mred\t",
        "a\u2028b\u202ec": r"a\u2028b\u202ec",
        "back\\slash": "back\\slash",
    }.items():
        header, row = plain_table([["name", "x"], [cell, "1"]]).splitlines()
        assert row == f"{shown}  1"
        assert header.index("x") == row.index("1", len(shown))
