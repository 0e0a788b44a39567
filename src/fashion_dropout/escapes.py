"""What came from outside, such as names and messages, made harmless for where it is shown.

HTML is escaped by Jinja where it is rendered (`reports.html`).
"""

from __future__ import annotations

import html
import re
from unicodedata import category

LONGEST_MESSAGE = 2_000
"""The most characters of a message on a terminal."""

_FORMULA = re.compile(r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]")
_MARKUP = re.compile(r"[\\`*\[\]|~#]|(?<!\w)_|_(?!\w)")


def visible(text: str) -> str:
    """The text with an escape sequence for each character that a terminal would obey or not show.

    Line breaks are among them, so that what is one line stays one line.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or category(character) == "Zs"  # such as the ideographic space
        else character.encode("unicode_escape").decode()
        for character in text
    )


def shortened(text: str, longest: int) -> str:
    """The beginning and the end of a text, if it has more than `longest` characters.

    In messages the end counts as much as the beginning: it says what to do.
    """
    if len(text) <= longest:
        return text
    end = longest // 2
    return f"{text[: longest - end - 1]}…{text[-end:]}"


def message(text: str) -> str:
    """A message as one line for a terminal, of at most `LONGEST_MESSAGE` characters."""
    return visible(shortened(text, LONGEST_MESSAGE))


def brief(value: object) -> str:
    """A value as Python would write it, in at most 100 characters."""
    try:
        return shortened(repr(value), 100)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits, a nested table
        return f"a value of type {type(value).__name__} that is too long to show"


def csv_cell(text: str) -> str:
    """A text for a cell of a CSV file: a spreadsheet would take some for formulas.

    These get an apostrophe in front, as OWASP advises (https://owasp.org/www-community/attacks/
    CSV_Injection). Control characters and line breaks become escape sequences.
    """
    return visible(f"'{text}" if _FORMULA.match(text) else text)


def markdown(text: object) -> str:
    """One line of text in which Markdown sees no markup."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return _MARKUP.sub(r"\\\g<0>", escaped)
