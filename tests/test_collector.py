"""The garbage collector: seldom, and not while TensorFlow is imported."""

from __future__ import annotations

import gc

import pytest

from fashion_dropout.cli import main
from fashion_dropout.collector import collect_seldom, importing


@pytest.fixture(autouse=True)
def settings_of_this_process():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_a_command_collects_seldom_and_does_not_stop_to(capsys):
    gc.set_threshold(700, 10, 10)
    main(["--version"])
    assert capsys.readouterr().out
    assert gc.isenabled()
    assert gc.get_threshold()[0] > 10_000


def test_what_is_imported_is_left_out_of_later_collections():
    collect_seldom()
    before = gc.get_freeze_count()
    with importing():
        assert not gc.isenabled()
        kept = [[] for _ in range(1_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > before + len(kept)
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled(), "whoever has switched it off wants that"
    finally:
        gc.enable()
