"""Write the numbers of `benchmarks/results.toml` into the pages that show them.

    uv run python .ci/results.py

A page shows one as ``<!-- bench: startup/help -->0.12 s<!-- end -->``. Numbers of published studies
are not written here, but by ``fashion-dropout publish``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results.toml"
PATTERNS = ("*.md", "docs/*.md", "experiments/**/*.md", "experiments/**/*.ipynb", "benchmarks/*.md")
VALUE = re.compile(r"<!-- bench: (?P<name>[^>\n]+?) -->[^<\n]*<!-- end -->")


def values(language: str) -> dict[str, str]:
    """``<section>/<value>`` → its text in that language; ``study.full`` is ``study/full``."""
    found: dict[str, str] = {}

    def walk(table: dict[str, Any], place: str) -> None:
        for name, text in table.get("values", {}).items():
            one = text if isinstance(text, str) else text[("en", "ja").index(language)]
            found[f"{place}/{name}"] = one
        for name, inner in table.items():
            if name != "values" and isinstance(inner, dict):
                walk(inner, f"{place}/{name}".strip("/"))

    walk(tomllib.loads(RESULTS.read_text(encoding="utf-8")), "")
    return found


def pages() -> list[Path]:
    """Every page that may show a number."""
    return [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]


def filled(path: Path) -> str:
    """The text of a page with every number as it is recorded; KeyError if there is no such one."""
    known = values("ja" if ".ja." in path.name else "en")
    return VALUE.sub(
        lambda found: f"<!-- bench: {found['name']} -->{known[found['name']]}<!-- end -->",
        path.read_text(encoding="utf-8"),
    )


if __name__ == "__main__":
    for page in pages():
        page.write_text(filled(page), encoding="utf-8")
