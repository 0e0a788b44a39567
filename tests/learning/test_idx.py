from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from fashion_dropout.errors import DataError
from fashion_dropout.learning.idx import read_idx


def content(*shape: int, magic: int = 0x00000803, values: int | None = None) -> bytes:
    count = int(np.prod(shape)) if values is None else values
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + bytes(range(count))


def write(path, data: bytes):
    path.write_bytes(gzip.compress(data))
    return path


def test_values_come_in_c_order(tmp_path):
    array = read_idx(write(tmp_path / "a.gz", content(2, 3, 4)), (2, 3, 4))
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, np.arange(24).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (content(2, 3, 4, magic=0x00000801), "expected IDX magic number 0x00000803, received 0x00"),
        (content(3, 2, 4), r"expected shape \(2, 3, 4\), received \(3, 2, 4\)"),
        (content(2, 3, 4, values=23), "expected 24 values, received 23"),
        (content(2, 3, 4, values=25), "expected 24 values, received 25"),
        (b"\0\0\x08", "expected an IDX header of 16 bytes, received 3"),
    ],
)
def test_what_is_not_as_expected_is_refused_by_name(tmp_path, data, message):
    path = write(tmp_path / "a.gz", data)
    with pytest.raises(DataError, match=message) as refused:
        read_idx(path, (2, 3, 4))
    assert str(path) in str(refused.value)


def test_a_truncated_or_foreign_file_is_refused(tmp_path):
    whole = gzip.compress(content(2, 3, 4))
    for data in (whole[:-9], whole[:20], b"not gzip at all", b""):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(DataError, match=r"a\.gz: expected"):
            read_idx(tmp_path / "a.gz", (2, 3, 4))
