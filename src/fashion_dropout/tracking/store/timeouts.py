"""A bound on the total time of a call: what MLflow itself cannot promise.

Its timeouts are for one piece of an answer. A server that sends a byte a second keeps a caller for
ever. So a call is made in a thread of its own and left alone when its time is up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

from fashion_dropout.errors import TrackingError

Answer = TypeVar("Answer")

QUESTION_SECONDS = 30
"""For a question to MLflow in which no files are sent."""
FILES_SECONDS = 120
"""For one in which files are: some MiB, as a model."""


class NoAnswerError(TrackingError):
    """MLflow has not answered in time."""


_left_alone: list[threading.Thread] = []


def bounded(
    call: Callable[[], Answer], seconds: float, late: Callable[[Answer], None] | None = None
) -> Answer:
    """Call a function and wait for it, but no longer than so many seconds. What it returns when
    nobody waits for it any more is given to `late`.

    Raises:
        NoAnswerError: It has not answered in time. It goes on in its thread, which does not keep
            the process from ending.
    """
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            found = call()
        except BaseException as error:  # it is raised again where the caller waits
            with suppress(InvalidStateError):
                answer.set_exception(error)
            return
        try:
            answer.set_result(found)
        except InvalidStateError:
            if late:
                late(found)

    thread = threading.Thread(target=work, daemon=True, name="asks-mlflow")
    thread.start()
    thread.join(seconds)
    if answer.cancel():  # there is neither an answer nor an error yet
        _left_alone.append(thread)
        raise NoAnswerError(f"MLflow has not answered within {seconds:g} s")
    return answer.result()


def someone_still_waits() -> bool:
    """Whether a call that was left alone goes on. Threads that it has started would keep the
    process from ending in order.
    """
    return any(thread.is_alive() for thread in _left_alone)
