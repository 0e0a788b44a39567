"""Say which tests ran: the counts of each step of `.ci/run`, and each skipped test with its reason.

    uv run python .ci/ran.py test-artifacts/ran

The folder has a file for each step, with every test by its name and the seconds that it took.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def described(path: Path) -> str:
    """One step: a line with its counts, and one for each test that was skipped."""
    (suite,) = ET.parse(path).iter("testsuite")
    tests, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    seconds = float(suite.attrib["time"])
    counts = f"{tests - skipped - failed:,} passed, {failed} failed, {skipped} skipped"
    lines = [f"{path.stem}: {counts} in {seconds:,.0f} s ({path})"]
    for case in suite.iter("testcase"):
        for reason in case.iter("skipped"):
            name = f"{case.attrib['classname']}.{case.attrib['name']}"
            lines.append(f"  skipped {name}: {reason.attrib['message']}")
    return "\n".join(lines)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.xml")):
        print(described(path))
