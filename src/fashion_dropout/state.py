"""The folder of what must outlive a process: what an interrupted run needs to go on, and the like.

It is no part of the store and no part of the data. This program writes it, and deletes it when it
is no longer needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fashion_dropout.errors import UsageError

VARIABLE = "FASHION_DROPOUT_STATE"


def state_folder() -> Path:
    """The folder that ``FASHION_DROPOUT_STATE`` names, else ``fashion-mnist-dropout`` in the user's
    state directory (``XDG_STATE_HOME``, else ``~/.local/state``). It need not exist. It is the same
    on every system, where platformdirs would change it on macOS for runs that wait.

    Raises:
        UsageError: The user has no home folder, and no variable names another place.
    """
    named, states = os.environ.get(VARIABLE), Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        if named:
            return Path(named).expanduser().absolute()
        # The XDG specification ignores a relative path.
        base = states if states.is_absolute() else Path("~/.local/state").expanduser()
    except (RuntimeError, OSError) as error:
        raise UsageError(
            f"expected a folder for interrupted runs, received: {error}; set {VARIABLE} to one"
        ) from error
    return base / "fashion-mnist-dropout"


def write_durably(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file that is whole and on the disk, or not there under its name.

    It is written under a temporary name beside its own, synchronized with the disk (fsync) and
    renamed; then the folder, which is made if need be, is. A file of that name is replaced.

    Raises:
        OSError: It could not be written; nothing stands under either name, or what stood before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
