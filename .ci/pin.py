"""Pin every package of the environment, those that others bring along among them.

    uv run python .ci/pin.py              write what is installed into pyproject.toml
    uv run python .ci/pin.py --upgrade    first let uv take the newest that the direct pins allow

Run it on the oldest Python that pyproject.toml allows: what installs there installs on newer ones.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
PINS = re.compile(r"(?<=\nconstraint-dependencies = \[\n)[^\]]*(?=\]\n)")
OWN = "fashion-mnist-dropout"


def installed() -> list[str]:
    """``name==version`` of each installed distribution but this one, sorted."""
    found = {
        re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return sorted(f"{name}=={version}" for name, version in found.items() if name != OWN)


def write(pins: list[str]) -> None:
    """Replace the pins in pyproject.toml."""
    block = "".join(f'    "{pin}",\n' for pin in pins)
    text = PYPROJECT.read_text(encoding="utf-8")
    PYPROJECT.write_text(PINS.sub(block, text, count=1), encoding="utf-8")


def main() -> None:
    """Write the pins; with ``--upgrade``, in a new process that sees what uv has installed."""
    if "--upgrade" in sys.argv:
        write([])
        subprocess.run(["uv", "sync", "--upgrade"], check=True)
        subprocess.run([sys.executable, __file__], check=True)
        return
    write(installed())


if __name__ == "__main__":
    main()
