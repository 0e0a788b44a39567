"""Write the repository's address into the READMEs and the notebooks.

    uv run python .ci/address.py                               from pyproject.toml
    uv run python .ci/address.py https://github.com/me/repo    into pyproject.toml first

It stands in pyproject.toml (`[project.urls]`). The Colab badges, the clone line and the citation of
the READMEs, and the first cell of the notebooks show it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"
PAGES = tuple(
    ROOT / name.format(language)
    for name in ("README{}.md", "experiments/dropout/dropout{}.ipynb")
    for language in ("", ".ja")
)
FORM = r"https://github\.com/([\w.-]+/[\w.-]+)"
PLACES = (
    (r"(?<=colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(?=/blob/)", "{repository}"),
    (rf"(?<=git clone ){FORM} && cd [\w.-]+", "{address} && cd {folder}"),
    (rf"(?<=git\+){FORM}", "{address}"),
    (r"(?<=url = \{)" + FORM, "{address}"),
    (r"(?<=\]\(https://)[\w.-]+\.github\.io/[\w.-]+(?=/)", "{owner}.github.io/{folder}"),
)


def address() -> str:
    """The repository's address, as pyproject.toml declares it."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def filled(page: str, address: str) -> str:
    """A page with the address at every place that shows it."""
    found = re.fullmatch(FORM, address)
    if found is None:
        sys.exit(f"expected https://github.com/<owner>/<repository>, received {address}")
    owner, folder = found[1].split("/")
    known = {"address": address, "repository": found[1], "owner": owner, "folder": folder}
    for pattern, text in PLACES:
        page = re.sub(pattern, text.format(**known), page)
    return page


if __name__ == "__main__":
    if sys.argv[1:]:
        filled("", sys.argv[1])
        declared = PYPROJECT.read_text(encoding="utf-8").replace(address(), sys.argv[1])
        PYPROJECT.write_text(declared, encoding="utf-8")
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), address()), encoding="utf-8")
