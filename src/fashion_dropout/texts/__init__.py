"""The texts of verdicts, reports and model cards, and the names of the classes, in each language.

Each language has a file; all files have the same keys. What is said otherwise of another program's
numbers, of which only a table is known, stands in a second file of each language.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Language = Literal["en", "ja", "en-table", "ja-table"]
"""Whose words they are: of a language, or those that it has for a table of anybody's numbers."""

LANGUAGES: tuple[Language, ...] = ("en", "ja")

OF_A_TABLE: Mapping[Language, Language] = {"en": "en-table", "ja": "ja-table"}
"""Language → the words that it has for a table of anybody's numbers."""


@cache
def texts(language: Language) -> dict[str, Any]:
    """All texts of one language; those with ``{names}`` are for `str.format`."""
    spoken = spoken_in(language)
    return _read(spoken) if language == spoken else _over(_read(spoken), _read(language))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def _over(under: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """The texts with those that change; an empty table takes the place of a full one."""
    return under | {
        key: _over(under[key], value) if isinstance(value, dict) and value else value
        for key, value in changed.items()
    }


def spoken_in(language: Language) -> str:
    """The language itself: ``en`` or ``ja``."""
    return language.partition("-")[0]


def headings() -> set[str]:
    """The headings of the main table, which no regime can be called: it has a column there, too."""
    return {
        texts(language)["short"][name] for language in LANGUAGES for name in ("metric", "p", "holm")
    }


def metric_label(metric: str, language: Language) -> str:
    """What a sentence calls a metric; one that nobody has described has its own name."""
    return str(texts(language)["metrics"].get(metric, metric))


def metric_title(metric: str, language: Language) -> str:
    """What a heading or the row of a table calls it: “Validation loss”."""
    noun = metric_label(metric, language).removeprefix("the ")
    return noun if noun == metric else noun[:1].upper() + noun[1:]


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
        singular, plural = spec.split("|")
        return f"{int(self):,} {singular if self == 1 else plural}"


class Signed(float):
    """A number whose formatted text has the minus sign of typography, U+2212."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace("-", "−")
