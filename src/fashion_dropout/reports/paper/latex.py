"""LaTeX of texts and tables that were not written for it."""

from __future__ import annotations

import re

import pandas as pd

from fashion_dropout.escapes import visible
from fashion_dropout.texts import Language, texts

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "÷": r"$\div$", "·": r"$\cdot$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "∞": r"$\infty$",
    "→": r"$\rightarrow$", "←": r"$\leftarrow$", "²": r"$^2$", "ⁿ": r"$^n$", "√": r"$\surd$",
    "✓": r"$\checkmark$", "✗": r"$\times$", "…": r"\ldots{}", "–": "--", "—": "---",
    "“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~",
}  # fmt: skip
_BEYOND_LATIN = re.compile("[^\u0000-\u017f]")
_LONG = re.compile(r"[0-9a-f]{16,}")
_CITED = re.compile(r"\[(@[\w; @]+)\]")

LONGEST_TABLE = 40
"""Rows that fit on a page; a longer table breaks over pages."""


def latex(text: str, language: Language) -> str:
    """A text in which LaTeX sees no commands.

    Of a character that LaTeX's own fonts do not have, the English document, which any LaTeX
    compiles, shows the code point: ``[U+5B57]``. The Japanese one has a font for it.
    """
    shown = visible(text)
    escaped = "".join(  # two hyphens would be drawn as a dash
        _SPECIAL.get(character, character) + ("{}" if character == following == "-" else "")
        for character, following in zip(shown, f"{shown[1:]} ", strict=False)
    )
    if language == "ja":
        return escaped
    return _BEYOND_LATIN.sub(lambda found: f"[U+{ord(found[0]):04X}]", escaped)


def prose(text: str, language: Language) -> str:
    """As `latex`, with places where digests and the names of metrics may be broken."""
    escaped = _LONG.sub(lambda found: _broken(found[0]), latex(text, language))
    return re.sub(r"(?<=\w)(/|\\_)(?=\w)", r"\1\\allowbreak{}", escaped)


def cited(text: str, language: Language) -> str:
    """As `prose`, with citations as Pandoc's Markdown has them: ``[@holm1979; @efron1987]``."""
    parts = _CITED.split(text)
    keys = [part.replace("@", "").replace("; ", ",") for part in parts[1::2]]
    parts[::2] = [prose(part, language) for part in parts[::2]]
    parts[1::2] = [rf"\cite{{{key}}}" for key in keys]
    return "".join(parts).replace(r" \cite", r"~\cite")


def table(frame: pd.DataFrame, caption: str, label: str, language: Language) -> str:
    """A table of text for the package booktabs, with its caption above; it needs longtable if it is
    long.
    """
    escaped = frame.map(lambda cell: latex(cell, language))
    escaped.columns = [latex(str(name), language) for name in frame.columns]
    long = len(frame) > LONGEST_TABLE
    written = escaped.to_latex(
        index=False,
        escape=False,  # that of pandas leaves characters out that are no ASCII
        longtable=long,
        column_format="l" * len(frame.columns),
        caption=prose(caption, language),
        label=label,
        position=None if long else "tbp",
    )
    return str(written.replace("Continued on next page", texts(language)["paper"]["continued"]))


def _broken(word: str) -> str:
    """A long digest, with a place to break it after every eighth digit."""
    return r"\allowbreak{}".join(word[at : at + 8] for at in range(0, len(word), 8))
