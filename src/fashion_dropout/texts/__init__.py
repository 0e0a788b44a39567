"""The texts of verdicts, reports and model cards, and the names of the classes, in each language.

Each language has a file; all files have the same keys.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")


@cache
def texts(language: Language) -> dict[str, Any]:
    """All texts of one language; those with ``{names}`` are for `str.format`."""
    return tomllib.loads((files(__name__) / f"{language}.toml").read_text(encoding="utf-8"))


def regime_label(regime: str, language: Language) -> str:
    """What a sentence calls a regime: ``none`` reads “no dropout”, other names as they are."""
    return str(texts(language)["regimes"].get(regime, regime))


def difference_label(regime: str, baseline: str, language: Language) -> str:
    """What a table calls a paired difference: “dropout − no dropout”."""
    return f"{regime_label(regime, language)} − {regime_label(baseline, language)}"


class Count(int):
    """A number whose formatted text has its noun: ``{n:pair|pairs}`` is “1 pair” or “2 pairs”."""

    def __format__(self, spec: str) -> str:
        if "|" not in spec:
            return super().__format__(spec)
        one, several = spec.split("|")
        return f"{int(self):,} {one if self == 1 else several}"


class Signed(float):
    """A number whose formatted text has the minus sign of typography, U+2212."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace("-", "−")
