"""Row 64: a user id without a name, and no home folder, as in a container."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import ROOT

NOBODY = ("unshare", "--user", "--map-user=12345", "--map-group=12345")
ASKED = """
from fashion_dropout.environment import settle
settle()
import getpass
print(getpass.getuser())
"""


def as_nobody(folder, *command):
    if subprocess.run([*NOBODY, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not take another id")
    return subprocess.run(
        [*NOBODY, sys.executable, *command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_user_gets_a_name(tmp_path):
    done = as_nobody(tmp_path, "-c", ASKED)
    assert done.stdout == "uid12345\n", done.stderr


def test_what_needs_a_home_folder_is_one_line(tmp_path):
    done = as_nobody(tmp_path, "-m", "fashion_dropout", "train", "--dataset", "synthetic")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "set HOME to a folder" in line
    assert list(tmp_path.iterdir()) == []
