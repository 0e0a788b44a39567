from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import clean_environment
from fashion_dropout import state
from fashion_dropout.errors import UsageError


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "/home/someone/.local/state/fashion-mnist-dropout"),
        ({"XDG_STATE_HOME": "/states"}, "/states/fashion-mnist-dropout"),
        ({"XDG_STATE_HOME": "states"}, "/home/someone/.local/state/fashion-mnist-dropout"),
        ({"FASHION_DROPOUT_STATE": "/kept", "XDG_STATE_HOME": "/states"}, "/kept"),
        ({"FASHION_DROPOUT_STATE": "~/kept"}, "/home/someone/kept"),
    ],
)
def test_the_folder_is_the_named_one_else_the_users(variables, expected, monkeypatch):
    for name in ("FASHION_DROPOUT_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/someone", **variables}.items():
        monkeypatch.setenv(name, value)
    assert state.state_folder() == Path(expected)


def test_a_home_that_does_not_exist_is_one_line(monkeypatch):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", "~nosuchuser/kept")
    with pytest.raises(UsageError, match="set FASHION_DROPOUT_STATE to one"):
        state.state_folder()


def test_a_file_is_written_whole_and_replaced(tmp_path):
    path = tmp_path / "deep" / "file"
    state.write_durably(path, [b"one, ", b"two"])
    assert path.read_bytes() == b"one, two"
    state.write_durably(path, [b"three"])
    assert path.read_bytes() == b"three"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    state.write_durably(path, [b"before"])

    def parts():
        yield b"half"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        state.write_durably(path, parts())
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_killed_before_the_renaming_leaves_what_was_there(tmp_path):
    """An audit hook kills the process in the very call that renames."""
    path = tmp_path / "file"
    state.write_durably(path, [b"before"])
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from fashion_dropout.state import write_durably\n"
        "def hook(event, arguments):\n"
        "    if event == 'os.rename': os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
        "write_durably(Path(sys.argv[1]), [b'after'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, os.fspath(path)], env=clean_environment(), check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"before"
    assert path.with_name(".file.partial").read_bytes() == b"after"
