"""Calls of MLflow: bounded in time, and an error of them in one line."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from fashion_dropout.environment import WHILE_ASKING
from fashion_dropout.errors import TrackingError
from fashion_dropout.escapes import shortened
from fashion_dropout.tracking.store.secrets import without_password
from fashion_dropout.tracking.store.timeouts import QUESTION_SECONDS, bounded

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

REFUSED = (MlflowException, SQLAlchemyError, requests.RequestException)
"""What MLflow raises when its store refuses something or goes away. The last is an `OSError`; any
other `OSError` is of a file, and says of which."""

_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_SQL = re.compile(  # what SQLAlchemy writes around the cause of an error
    r"\(raised as a result of Query-invoked autoflush;.*?\) ?"
    r"|\[SQL: .*\] ?"
    r"|\(Background on this error at: \S+\)"
)


def asks_mlflow(
    *,
    seconds: float | Callable[[], float] = QUESTION_SECONDS,
    expected: Callable[..., str] = lambda *_: "",
    late: Callable[[Any], None] | None = None,
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer]]:
    """Let a function that asks MLflow give up in time, and say in one line what went wrong.

    Every such function has it, or is called only by those that have it or by `bounded`; a test
    looks for the others. What the function itself raises as an error of this project stays as it
    is, and so does an error of a file.

    Args:
        seconds: How long it may take in all.
        expected: Given what the function is given, without names: what was expected, in words;
            empty for MLflow to answer.
        late: As for `bounded`.

    Raises:
        NoAnswerError: MLflow has not answered in time.
        TrackingError: It has refused something or went away.
    """

    def decorate(function: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
        @wraps(function)
        def within_time(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Answer:
            with short_timeouts():
                try:
                    answer: Answer = bounded(
                        lambda: function(*args, **kwargs),
                        seconds() if callable(seconds) else seconds,
                        late,
                    )
                except REFUSED as error:
                    raise explained(error, expected(*args)) from error
            return answer

        return within_time

    return decorate


def explained(error: BaseException, expected: str = "") -> TrackingError:
    """The error that a user is shown for one of `REFUSED`, where something was expected."""
    what = f"expected {expected}, received" if expected else "MLflow refused or went away"
    return TrackingError(f"{what}: {one_line(error)}")


def if_there(question: Callable[[], Answer]) -> Answer | None:
    """What MLflow answers; None if it says that it has nothing of that id, or that it is none."""
    try:
        return question()
    except MlflowException as error:
        if error.error_code not in _NOT_THERE:
            raise
        return None


class _ShortTimeouts:
    lock = threading.Lock()
    depth = 0
    added: ClassVar[list[str]] = []
    log_level = logging.NOTSET


@contextmanager
def short_timeouts() -> Iterator[None]:
    """Give up on a silent server after seconds, where MLflow would take minutes.

    What the user has set in MLflow's own variables stands. It holds for all threads, until the last
    block that has asked for it ends.
    """
    retries = logging.getLogger("urllib3.connectionpool")
    with _ShortTimeouts.lock:
        if not _ShortTimeouts.depth:
            _ShortTimeouts.added = [name for name in WHILE_ASKING if name not in os.environ]
            os.environ.update({name: WHILE_ASKING[name] for name in _ShortTimeouts.added})
            _ShortTimeouts.log_level = retries.level
            retries.setLevel(logging.ERROR)
        _ShortTimeouts.depth += 1
    try:
        yield
    finally:
        with _ShortTimeouts.lock:
            _ShortTimeouts.depth -= 1
            if not _ShortTimeouts.depth:
                retries.setLevel(_ShortTimeouts.log_level)
                for name in _ShortTimeouts.added:
                    os.environ.pop(name, None)


def one_line(error: BaseException) -> str:
    """The cause of an error in at most 300 characters, without line breaks."""
    text = _SQL.sub("", without_password(" ".join(str(error).split()))).strip()
    text = text or type(error).__name__
    return shortened(text, 300)  # its end counts: “… connection refused”
