"""A call in another process, such as a question to MLflow, while this one does something else.

MLflow takes seconds to import. The other process imports it at the same time as this process does
its own work, and gives its memory back when it has answered.

The other process is not started by `multiprocessing`, because a spawned process looks for modules
in the working directory first, imports the main script again, and shares Ctrl-C and the standard
output with this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

from fashion_dropout.environment import settle
from fashion_dropout.errors import FashionDropoutError, TrackingError

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

# The package may not be installed, so the other process takes over where this one finds modules.
_PROGRAM = """\
import sys
sys.path[:] = sys.argv[1:]
from fashion_dropout.tracking.store.future import reply
reply()
"""


class Future(Generic[Answer]):
    """A call that another process is making; the answer arrives at the connection."""

    def __init__(self, connection: Connection, process: subprocess.Popen[bytes]) -> None:
        self._connection = connection
        self._process = process
        self._received: tuple[Answer | None, FashionDropoutError | None] | None = None

    @property
    def failed(self) -> bool:
        """Whether an error has arrived."""
        arrived = self._received is not None or self._connection.poll()
        return arrived and self._receive()[1] is not None

    def result(self) -> Answer:
        """Wait for what the call returns.

        Raises:
            FashionDropoutError: The question raised this error.
            TrackingError: The other process ended without an answer.
        """
        answer, error = self._receive()
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]

    def _receive(self) -> tuple[Answer | None, FashionDropoutError | None]:
        if self._received is None:
            try:
                self._received = self._connection.recv()
            except (EOFError, OSError):
                text = (
                    "expected an answer from the process that asks MLflow, received exit code "
                    f"{self._process.wait()} instead"
                )
                self._received = None, TrackingError(text)
        return self._received


@contextmanager
def submitted(
    question: Callable[Parameters, Answer], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Iterator[Future[Answer]]:
    """Call a function in another process, which ends with the block at the latest.

    The function is at the top level of a module that is quick to import, and imports MLflow itself.
    What it prints is dropped. Its arguments and the answer must be picklable.
    """
    parent_end, child_end = Pipe()
    with parent_end:
        with child_end:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *sys.path],
                stdin=child_end.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which ends the other one
            )
        with process:
            try:
                with suppress(OSError):  # the process has ended, which `result` reports
                    parent_end.send((question, args, kwargs))
                yield Future(parent_end, process)
            finally:
                process.kill()


def reply() -> None:
    """Answer the question that arrives at the standard input; this runs in the other process."""
    settle()
    with Connection(os.dup(0)) as connection, Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)  # what the question calls must not read the connection
        question, args, kwargs = connection.recv()
        try:
            result: tuple[object, object] = question(*args, **kwargs), None
        except FashionDropoutError as error:
            result = None, error
        with suppress(BrokenPipeError):  # the process that asked has ended
            connection.send(result)
