"""A question to another process: its answer, its errors, and its end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from fashion_dropout.errors import DataError, TrackingError
from fashion_dropout.learning import archives
from fashion_dropout.tracking.store.future import submitted


def test_another_process_answers():
    with submitted(os.getpid) as process, submitted(divmod, 7, 3) as result:
        assert result.result() == result.result() == (2, 1)
        assert not result.failed
        assert process.result() != os.getpid()


def test_an_error_of_the_program_arrives_as_it_was_raised(tmp_path):
    with submitted(archives.locate, data_dir=tmp_path) as folder:
        for _ in range(2):
            with pytest.raises(DataError, match=f"expected the archive {tmp_path}"):
                folder.result()
        assert folder.failed


def test_a_process_that_ends_without_an_answer_is_one_line():
    with submitted(os._exit, 7) as never:
        with pytest.raises(TrackingError, match="received exit code 7 instead") as refused:
            never.result()
        assert never.failed
    assert "\n" not in str(refused.value)


def test_what_is_still_asked_ends_with_the_block():
    began = time.monotonic()
    with submitted(time.sleep, 600) as asleep:
        (child,) = psutil.Process().children()
        assert not asleep.failed
    assert not child.is_running()
    assert time.monotonic() - began < 30


def test_the_other_process_shares_neither_the_terminal_nor_the_standard_streams(capfd):
    # In a session of its own it gets no Ctrl-C from the terminal.
    with (
        submitted(os.getsid, 0) as session,
        submitted(os.read, 0, 1) as read,
        submitted(print, "x") as printed,
    ):
        assert session.result() != os.getsid(0)
        assert read.result() == b""
        assert printed.result() is None
    assert capfd.readouterr() == ("", "")


def test_modules_are_those_of_this_process_and_not_of_the_working_directory(
    tmp_path, workdir, monkeypatch
):
    """The package may run from a checkout; a folder of images may hold a pickle.py."""
    checkout = tmp_path / "a:checkout"
    checkout.mkdir()
    (checkout / "only_there.py").write_text("def where():\n    return __file__\n")
    for name in ("pickle", "multiprocessing", "fashion_dropout"):
        (workdir / f"{name}.py").write_text("raise SystemExit(9)\n")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", ".")])
    monkeypatch.syspath_prepend(checkout)
    from only_there import where

    with submitted(where) as file:
        assert Path(file.result()) == checkout / "only_there.py"
