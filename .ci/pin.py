"""Pin every package of the environment, those that others bring along among them.

    uv run python .ci/pin.py              write what is installed into pyproject.toml and conda.yaml
    uv run python .ci/pin.py --upgrade    first let uv take the newest that the direct pins allow

Run it on the oldest Python that pyproject.toml allows: what installs there installs on newer ones.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
CONDA = PYPROJECT.with_name("conda.yaml")
PINS = re.compile(r"(?<=\nconstraint-dependencies = \[\n)[^\]]*(?=\]\n)")
OWN = "fashion-mnist-dropout"


def installed() -> list[str]:
    """``name==version`` of each distribution but this one: what is installed, and the site's."""
    found = {
        re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    # The site is built in an environment of its own; uv knows what that one has.
    quiet = ("--no-hashes", "--no-emit-project", "--no-header", "--no-annotate")
    docs = subprocess.run(
        ["uv", "export", "--only-group", "docs", *quiet], check=True, capture_output=True, text=True
    ).stdout
    found |= dict(line.partition(" ;")[0].strip().split("==") for line in docs.splitlines())
    return sorted(f"{name}=={version}" for name, version in found.items() if name != OWN)


def write(pins: list[str]) -> None:
    """Replace the pins in pyproject.toml."""
    block = "".join(f'    "{pin}",\n' for pin in pins)
    text = PYPROJECT.read_text(encoding="utf-8")
    PYPROJECT.write_text(PINS.sub(block, text, count=1), encoding="utf-8")


def write_conda() -> None:
    """Replace the pins in conda.yaml: the direct ones, then all that they bring along.

    What only developers need is left out. uv knows the packages of other systems too and marks
    them.
    """
    quiet = ("--no-dev", "--no-hashes", "--no-emit-project", "--no-header", "--no-annotate")
    exported = subprocess.run(["uv", "export", *quiet], check=True, capture_output=True, text=True)
    direct = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    brought = [pin for pin in exported.stdout.splitlines() if pin not in direct]
    kept, _, _ = CONDA.read_text(encoding="utf-8").partition("  - pip:\n")
    lines = [*direct, "# What these bring along:", *brought]
    block = "".join(f"      {'' if line.startswith('#') else '- '}{line}\n" for line in lines)
    CONDA.write_text(f"{kept}  - pip:\n{block}", encoding="utf-8")


def main() -> None:
    """Write the pins; with ``--upgrade``, in a new process that sees what uv has installed."""
    if "--upgrade" in sys.argv:
        write([])
        subprocess.run(["uv", "sync", "--upgrade"], check=True)
        subprocess.run([sys.executable, __file__], check=True)
        return
    write(installed())
    write_conda()


if __name__ == "__main__":
    main()
