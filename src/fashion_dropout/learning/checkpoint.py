"""Checkpoints: the files from which an interrupted training goes on to the same bits.

A checkpoint is one file, without pickle::

    mark         8 bytes
    SHA-256     32 bytes, of all that follows
    length       8 bytes, of the header, little-endian
    header       JSON in UTF-8: the epoch, what it is about, and name, dtype and shape of each array
    arrays       one behind the other, little-endian, in C order
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.errors import CheckpointError
from fashion_dropout.state import write_durably

KEPT = 2
"""The last checkpoint, and the one before in case that the last is damaged."""

_MARK = b"FDCHECK1"
_LENGTHS = len(_MARK) + 32, len(_MARK) + 40  # where the checksum ends, where the header begins
_LARGEST = 2**30
_LARGEST_HEADER = 2**20
_DTYPES = ("<f4", "<f8", "<i4", "<i8", "<u4", "<u8", "|u1")
_NAMES = f"epoch-{9 * '[0-9]'}.checkpoint"

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after an epoch.

    Attributes:
        epoch: How many epochs have ended.
        arrays: Names and arrays, as `Trainer.state` gives them.
        about: What was trained with what, as JSON values.
    """

    epoch: int
    arrays: Arrays
    about: Mapping[str, Any]


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint, and remove those before the last `KEPT`.

    Args:
        folder: It is made if need be.
        checkpoint: Its arrays have one of the dtypes float32, float64, int32, int64, uint32,
            uint64 and uint8.

    Returns:
        The file.

    Raises:
        CheckpointError: It could not be written; the one before is as it was.
    """
    path = folder / f"epoch-{checkpoint.epoch:09d}.checkpoint"
    arrays = {
        name: array.astype(array.dtype.newbyteorder("<"), copy=False)
        for name, array in checkpoint.arrays.items()
    }
    described = [
        {"name": name, "dtype": array.dtype.str, "shape": array.shape}
        for name, array in arrays.items()
    ]
    header = json.dumps(
        {"epoch": checkpoint.epoch, "about": dict(checkpoint.about), "arrays": described}
    ).encode()
    content = [len(header).to_bytes(8, "little"), header]
    content += [array.tobytes() for array in arrays.values()]
    digest = sha256()
    for part in content:
        digest.update(part)
    try:
        write_durably(path, [_MARK, digest.digest(), *content])
        for old in _files(folder)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"expected to write the checkpoint of epoch {checkpoint.epoch} into {folder}, "
            f"received: {error.strerror or error}; make room, then give the same command again"
        ) from error
    return path


def read(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing of a damaged one is used.

    Raises:
        CheckpointError: The file is missing, damaged, or no checkpoint.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise _damaged(path, f"no regular file of at most {_LARGEST:,} bytes")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    checked, begin = _LENGTHS
    if content[: len(_MARK)] != _MARK or len(content) < begin:
        raise _damaged(path, "a file that does not begin as one")
    if sha256(memoryview(content)[checked:]).digest() != content[len(_MARK) : checked]:
        raise _damaged(path, "another SHA-256 than its own")
    length = int.from_bytes(content[checked:begin], "little")
    if length > min(_LARGEST_HEADER, len(content) - begin):
        raise _damaged(path, f"a header of {length:,} bytes")
    try:
        header = json.loads(content[begin : begin + length])
        return Checkpoint(
            _natural(header["epoch"]),
            _arrays(header["arrays"], memoryview(content)[begin + length :]),
            dict(header["about"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise _damaged(path, f"a header that cannot be read ({type(error).__name__})") from error


def newest(folder: Path) -> tuple[Checkpoint | None, list[CheckpointError]]:
    """The last whole checkpoint of a folder; None if there is none, damaged or whole.

    Returns:
        The checkpoint, and what is wrong with each that is newer.

    Raises:
        CheckpointError: There are some, and none is whole.
    """
    errors: list[CheckpointError] = []
    for path in _files(folder):
        try:
            return read(path), errors
        except CheckpointError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return None, []


def last_epoch(folder: Path) -> int:
    """The epoch of the last checkpoint of a folder, whole or not; 0 if there is none."""
    return max((int(path.stem.rpartition("-")[2]) for path in _files(folder)), default=0)


def _files(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the newest first."""
    return sorted(folder.glob(_NAMES), reverse=True)


def _arrays(described: Any, content: memoryview) -> dict[str, NDArray[Any]]:
    arrays, begin = {}, 0
    for array in described:
        shape = tuple(_natural(side) for side in array["shape"])
        if array["dtype"] not in _DTYPES:
            raise ValueError(array["dtype"])
        dtype = np.dtype(array["dtype"])
        count = math.prod(shape)
        end = begin + count * dtype.itemsize
        if end > len(content):
            raise ValueError(end)
        arrays[str(array["name"])] = np.frombuffer(content[begin:end], dtype).reshape(shape)
        begin = end
    if begin != len(content):
        raise ValueError(begin)
    return arrays


def _natural(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(number)
    return number


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"expected a whole checkpoint {path}, received {what}")
