"""``compare``: what a user is told when it ends before the verdict."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from conftest import Command
from fashion_dropout.errors import Interrupted, UndeliveredError
from fashion_dropout.studies import compare
from study_text import study_text


@pytest.mark.parametrize("kind", ["undelivered", "interrupted"])
@pytest.mark.parametrize(
    ("options", "how"),
    [
        ((), " goes on with what is missing"),
        (("--fresh",), ", without --fresh, runs only what has no finished run of any call"),
    ],
)
def test_who_must_come_back_is_told_how(
    command: Command, tmp_path: Path, monkeypatch, kind, options, how
):
    (tmp_path / "far.toml").write_text(study_text("far", [0], {"epochs": 1}))
    undelivered = UndeliveredError("kept: type `fashion-dropout sync`")
    stop = undelivered if kind == "undelivered" else Interrupted(signal.SIGINT)

    def stopped(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr(compare, "compare_study", stopped)
    done = command("compare", "far.toml", *options)
    assert done.returncode == stop.exit_code
    assert done.stderr.splitlines()[-1] == f"Note: the same command{how}"
