"""Commands in messages are those that the reader can type."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from conftest import run_here
from fashion_dropout.commands.console import LiveBar, StudyLines
from fashion_dropout.commands.typed import as_typed


@pytest.mark.parametrize(
    ("text", "under_uv"),
    [
        ("type `fashion-dropout sync`", "type `uv run fashion-dropout sync`"),
        ("to go on: fashion-dropout train", "to go on: uv run fashion-dropout train"),
        ("  to see it:     fashion-dropout ui", "  to see it:     uv run fashion-dropout ui"),
        ("fashion-dropout 0.2.0 has made it", "fashion-dropout 0.2.0 has made it"),
        ("`uv run fashion-dropout ui`", "`uv run fashion-dropout ui`"),
        ("the experiment fashion-mnist-dropout", "the experiment fashion-mnist-dropout"),
    ],
)
def test_a_command_is_written_as_it_is_typed(text, under_uv, monkeypatch):
    assert as_typed(text) == text
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert as_typed(text) == under_uv


def test_the_line_of_an_error_has_it_so(store, workdir, monkeypatch):
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    done = run_here("report", "latest", cwd=workdir)
    assert done.returncode == 2
    assert "run `uv run fashion-dropout compare` first" in done.stderr


def test_the_notes_of_a_running_command_have_it_so(monkeypatch, capsys):
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    written = StringIO()
    StudyLines().note("type `fashion-dropout sync --ended host`")
    with LiveBar(1, Console(file=written, width=120)).shown() as bar:
        bar.note("type `fashion-dropout sync`")
    assert capsys.readouterr().out == "type `uv run fashion-dropout sync --ended host`\n"
    assert "type `uv run fashion-dropout sync`" in written.getvalue()
