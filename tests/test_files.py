"""Files of a user: whole, or not there."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import clean_environment

STOPPED = """
import sys
from pathlib import Path
from fashion_dropout.files import write_whole

def hook(event, arguments):
    if event == "os.rename":
        raise KeyboardInterrupt

sys.addaudithook(hook)
write_whole(Path(sys.argv[1]), b"after")
"""


def test_an_interrupt_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    """An audit hook interrupts the process in the very call that renames."""
    path = tmp_path / "report.html"
    path.write_bytes(b"before")
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, os.fspath(path)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
