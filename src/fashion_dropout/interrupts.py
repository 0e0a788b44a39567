"""SIGINT, SIGTERM and SIGHUP become one exception, at a moment when it can do no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fashion_dropout.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    shield_depth = 0
    pending: int | None = None


def _handle(signal_number: int, _frame: FrameType | None) -> None:
    # MLflow's launcher sends SIGTERM right behind the terminal's SIGINT: the clean-up that the
    # first signal started must outlive the second. A second Ctrl-C is a person who means it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if _State.shield_depth:
        _State.pending = signal_number
    else:
        raise Interrupted(signal_number)


@contextmanager
def interruptible() -> Iterator[None]:
    """While this is open, the first of the signals raises `Interrupted` in the main thread.

    One that is ignored, as SIGHUP is under ``nohup``, stays ignored.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _handle) for number in heard}
    _State.pending = None
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """Hold a signal back until the block is done: for steps that must not be left half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _State.shield_depth += 1
    try:
        yield
    finally:
        _State.shield_depth -= 1
        if _State.pending is not None and not _State.shield_depth:
            pending, _State.pending = _State.pending, None
            raise Interrupted(pending)
