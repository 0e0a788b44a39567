"""Reading the IDX format of MNIST and Fashion-MNIST, trusting nothing that it says of itself."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.errors import DataError

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The array in a gzipped IDX file of unsigned bytes.

    The format (http://yann.lecun.com/exdb/mnist/): two zero bytes, a type code, the number of
    dimensions, each dimension as a big-endian 32-bit integer, then the values in C order.

    Args:
        path: A ``.gz`` file.
        shape: The shape that the array must have, e.g. (60000, 28, 28).

    Returns:
        uint8 of shape `shape`, read-only.

    Raises:
        DataError: The file is not gzip, or its magic number, its dimensions or the number of its
            values are not the expected ones.
    """
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole gzip file, received one that cannot be unpacked ({error}); "
            "delete it and fetch it again"
        ) from error
    magic = _UNSIGNED_BYTE << 8 | len(shape)
    header = 4 * (1 + len(shape))
    if len(content) < header:
        raise DataError(
            f"{path}: expected an IDX header of {header} bytes, received {len(content)} bytes"
        )
    received_magic, *received_shape = struct.unpack(f">{1 + len(shape)}I", content[:header])
    if received_magic != magic:
        raise DataError(
            f"{path}: expected IDX magic number {magic:#010x}, received {received_magic:#010x}"
        )
    if tuple(received_shape) != shape:
        raise DataError(f"{path}: expected shape {shape}, received {tuple(received_shape)}")
    count = int(np.prod(shape))
    if len(content) - header != count:
        raise DataError(f"{path}: expected {count} values, received {len(content) - header}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
