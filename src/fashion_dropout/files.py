"""Files and paths that a user names: only regular files are opened, up to a size limit."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from io import BufferedReader
from itertools import islice
from pathlib import Path
from shutil import rmtree

from fashion_dropout.errors import UsageError

LARGEST_RESULT = 2**26  # bytes: a hundred runs have 400 kB
LARGEST_TEXT = 2**20
"""The most bytes that a file of declarations may have, such as a study."""

_CHUNK = 2**20
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def user_path(text: str) -> Path:
    """The path that a user has written; a ``~`` at its beginning is a home folder.

    Raises:
        UsageError: There is no such home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"expected a path that begins with the home folder of a user, received {text!r}; "
            "write ./ in front of a name that begins with ~"
        ) from error


def beginning_of(path: Path) -> str:
    """For a message about a path that leads nowhere: where it starts, if it is relative."""
    if path.is_absolute():
        return ""
    of = " of the project" if os.environ.get("MLFLOW_RUN_ID") else ""
    return f"; relative paths start in the folder{of} {Path.cwd()}"


def open_file(path: Path) -> BufferedReader:
    """Open a file to read its bytes; nothing else than a file is opened.

    A pipe could keep the program waiting, and a device need not end.

    Raises:
        OSError: It is no file, or cannot be opened; its ``strerror`` is never None.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{_KINDS.get(kind, 'something')} instead of a file", str(path))
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, largest: int) -> bytes:
    """The bytes of a file, `largest` at the most. At most a mebibyte more is read.

    Raises:
        OSError: It is larger, or is refused by `open_file`.
    """
    with open_file(path) as file:
        chunks = iter(partial(file.read, _CHUNK), b"")  # the system's own files say no size
        content = b"".join(islice(chunks, largest // _CHUNK + 1))
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"more than {largest:,} bytes", str(path))
    return content


def write_whole(path: Path, content: bytes) -> int:
    """Write a file that nobody ever sees half-written; returns its size.

    Raises:
        UsageError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"expected to write {path}, received: {error.strerror}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return len(content)


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder that nobody ever sees half-written; one that is there is replaced. In the
    names of its files, ``/`` stands for folders.

    Raises:
        UsageError: It cannot be written; what was there is there still.
    """
    beside, before = (
        folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("part", "old")
    )
    try:
        for name, content in contents.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_bytes(content)
        try:
            if folder.exists():
                folder.rename(before)
            beside.rename(folder)
        except BaseException:
            if before.exists() and not folder.exists():
                before.rename(folder)
            raise
        rmtree(before, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"expected to write {folder}, received: {error.strerror}") from error
    finally:
        rmtree(beside, ignore_errors=True)


def writable(path: Path) -> Path:
    """The file to write where a user wants one, refused before the work is done if it cannot be.

    A link stays one, and the file that it names is written. A device or a pipe is refused: it would
    be replaced by a file, even /dev/null.

    Raises:
        UsageError: It can only fail.
    """
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    if (
        (path.exists() and not path.is_file())
        or not path.parent.is_dir()
        or not os.access(path.parent, os.W_OK)
    ):
        raise UsageError(
            f"expected a file in a folder that exists and can be written to, received {path}"
        )
    return path
