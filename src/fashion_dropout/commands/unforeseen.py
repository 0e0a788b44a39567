"""Errors that no part of the program could foresee, and that are still no faults of the program."""

from __future__ import annotations

import errno
import os
import re

_NOT_UTF8 = re.compile("[\ud800-\udfff]")  # how Python shows bytes of a path that it cannot read
_NO_ROOM = (
    "make room there; TMPDIR names another folder for temporary files, MLFLOW_TRACKING_URI another "
    "store"
)
_NO_RIGHT = "give this user the right to it, or choose another place"
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _NO_ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NO_RIGHT),
}


def explain(error: Exception) -> str | None:
    """What a user should know of an error of the system, the store or the memory, in one line; None
    if the error is a fault of the program, which needs its traceback.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if packages & {"mlflow", "sqlalchemy", "requests"}:
        from fashion_dropout.tracking.store.calls import one_line

        return f"MLflow's store refused something or went away: {one_line(error)}"
    if isinstance(error, OSError):
        place = error.filename or "a file or a connection"
        if isinstance(place, bytes):
            place = os.fsdecode(place)
        advice = _ADVICE.get(error.errno or 0)
        return f"expected to use {place}, received: {error.strerror or error}" + (
            f"; {advice}" if advice else ""
        )
    if isinstance(error, UnicodeEncodeError) and _NOT_UTF8.search(folder := os.getcwd()):  # noqa: PTH109
        return (
            f"expected a working directory with a name in UTF-8, received {folder}; rename it, go "
            "to another one, or name a store elsewhere with MLFLOW_TRACKING_URI"
        )
    if isinstance(error, MemoryError):
        return "expected more memory than this machine gives; close other programs"
    return None
