"""Real faults for the tests of the fault matrix: a small disk, a folder without rights."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def refusal(done: subprocess.CompletedProcess[str], *exit_codes: int) -> str:
    """The one line that a failed command printed; there may be notes below it."""
    assert done.returncode in (exit_codes or (1, 2)), (done.returncode, done.stderr)
    line, *notes = done.stderr.splitlines()
    assert all(note.startswith("Note: ") for note in notes), done.stderr
    assert line.startswith("Error: ")
    assert len(line) < 2_100
    assert line.isprintable()
    return line


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of this size, mounted on a new folder."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on a small disk, as another program does."""
    with suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
        while file.write(b"x" * 1024):
            pass


def obeying_rights() -> list[str]:
    """What to put before a command so that the rights of files hold for root, too."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
