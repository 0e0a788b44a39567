"""Reading IDX, the format of MNIST and Fashion-MNIST, without trusting what a file says of itself.

The format (http://yann.lecun.com/exdb/mnist/): two zero bytes, a type code, the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values in C order.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.errors import DataError
from fashion_dropout.files import open_file
from fashion_dropout.texts import Count

LARGEST_FILE = 256 * 2**20
"""The most bytes that are unpacked from a file whose number of items is not known before."""

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = b"\0\0\x08"
STARTS = (_GZIP, _UNSIGNED_BYTES)
"""The first bytes of an IDX file of unsigned bytes: gzipped, and plain."""

_CONTENTS = {0x00000801: "labels", 0x00000803: "images"}


def read_idx(path: Path, shape: tuple[int | None, *tuple[int, ...]]) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes whose shape is known.

    Args:
        path: The file, gzipped or not.
        shape: The shape that the array must have, such as (60000, 28, 28). None in the first place
            allows any number, as `parse_idx` does.

    Returns:
        uint8 of shape `shape`, read-only.

    Raises:
        DataError: The file cannot be read, or its content is refused by `parse_idx`.
    """
    try:
        with open_file(path) as file:
            return parse_idx(file, path, item=shape[1:], count=shape[0])
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, received: {error.strerror}") from error


def parse_idx(
    file: BinaryIO, path: Path, *, item: tuple[int, ...], count: int | None = None
) -> NDArray[np.uint8]:
    """Read the array in the content of an IDX file of unsigned bytes.

    At most the header, the expected values and one more byte are unpacked, whatever the file holds.

    Args:
        file: The content, gzipped or not, at its beginning. It must be seekable.
        path: The name of the file in error messages.
        item: The shape that one item must have: (28, 28) for an image, () for a label.
        count: The number of items that there must be. None allows any number from 1 to as many as
            `LARGEST_FILE` bytes hold.

    Returns:
        uint8 of shape (count, *item), read-only.

    Raises:
        DataError: The content cannot be unpacked, or its magic number, its shape or the number of
            its values is not the expected one.
    """
    gzipped = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    try:
        with gzip.GzipFile(fileobj=file) if gzipped else nullcontext(file) as stream:
            shape = _read_shape(stream, path, item, count)
            size = math.prod(shape)
            values = stream.read(size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole gzip file, received one that cannot be unpacked ({error}); "
            "it is damaged: fetch it again"
        ) from error
    if len(values) != size:
        received = f"{len(values):,}" if len(values) < size else "more"
        raise DataError(f"{path}: expected {size:,} values, received {received}")
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def _read_shape(
    stream: BinaryIO | gzip.GzipFile, path: Path, item: tuple[int, ...], count: int | None
) -> tuple[int, ...]:
    """Read the header; return the shape in it if it is an expected one."""
    magic = int.from_bytes(_UNSIGNED_BYTES) << 8 | 1 + len(item)
    length = 4 * (2 + len(item))
    header = stream.read(length)
    if len(header) < length:
        raise DataError(
            f"{path}: expected an IDX header of {length} bytes, received "
            f"{Count(len(header)):byte|bytes}"
        )
    received_magic, *shape = struct.unpack(f">{2 + len(item)}I", header)
    if received_magic != magic:
        raise DataError(
            f"{path}: expected IDX magic number {_named(magic)}, received {_named(received_magic)}"
        )
    largest = LARGEST_FILE // math.prod(item)
    counts = range(1, largest + 1) if count is None else (count,)
    if shape[0] not in counts or tuple(shape[1:]) != item:
        expected = f"1 to {largest:,}" if count is None else f"{count:,}"
        raise DataError(
            f"{path}: expected {expected} {_CONTENTS.get(magic, 'items')}{_of(item)}, received "
            f"{shape[0]:,}{_of(shape[1:])}"
        )
    return tuple(shape)


def _named(magic: int) -> str:
    return f"{magic:#010x} ({_CONTENTS.get(magic, 'neither images nor labels')})"


def _of(item: Sequence[int]) -> str:
    return f" of {'×'.join(map(str, item))}" if item else ""
