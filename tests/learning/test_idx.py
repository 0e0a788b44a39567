"""One reader for the dataset's archives and for users' files, gzipped or not."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fashion_dropout.errors import DataError
from fashion_dropout.learning.idx import parse_idx, read_idx


def content(*shape: int, magic: int | None = None, values: int | None = None) -> bytes:
    magic = 0x00000800 + len(shape) if magic is None else magic
    count = int(np.prod(shape)) if values is None else values
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + bytes(range(count))


def write(path, data: bytes, pack=gzip.compress):
    path.write_bytes(pack(data))
    return path


both = pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])


@both
@pytest.mark.parametrize("shape", [(2, 3, 4), (24,)])
def test_values_come_in_c_order(tmp_path, pack, shape):
    array = read_idx(write(tmp_path / "a.gz", content(*shape), pack), shape)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, np.arange(24).reshape(shape))


@both
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            content(2, 3, 4, magic=0x00000801),
            r"expected IDX magic number 0x00000803 \(images\), received 0x00000801 \(labels\)",
        ),
        (content(2, 3, 4, magic=0x00000D03), r"received 0x00000d03 \(neither images nor labels\)"),
        (content(3, 2, 4), r"expected 2 images of 3×4, received 3 of 2×4"),
        (content(2, 3, 4, values=23), "expected 24 values, received 23"),
        (content(2, 3, 4, values=25), "expected 24 values, received more"),
        (b"\0\0\x08", "expected an IDX header of 16 bytes, received 3"),
    ],
)
def test_what_is_not_as_expected_is_refused_by_name(tmp_path, pack, data, message):
    path = write(tmp_path / "a.gz", data, pack)
    with pytest.raises(DataError, match=message) as refused:
        read_idx(path, (2, 3, 4))
    assert str(refused.value).startswith(f"{path}: expected")
    assert "\n" not in str(refused.value)


def test_a_wrong_number_of_labels_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected 5 labels, received 24"):
        read_idx(write(tmp_path / "a.gz", content(24)), (5,))


def test_a_truncated_or_foreign_file_is_refused(tmp_path):
    whole = gzip.compress(content(2, 3, 4))
    for data in (whole[:-9], whole[:20], b"not gzip at all", b""):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(DataError, match=r"a\.gz: expected"):
            read_idx(tmp_path / "a.gz", (2, 3, 4))
    for data in (whole[:-9], whole[:20], whole[:-8] + bytes(8)):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(DataError, match=r"expected a whole gzip file.*fetch it again"):
            read_idx(tmp_path / "a.gz", (2, 3, 4))


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    for path in (tmp_path, tmp_path / "none.gz"):
        with pytest.raises(DataError, match=f"{path}: expected a readable file, received: "):
            read_idx(path, (1,))


def test_any_number_of_items_can_be_allowed():
    for count in (1, 2):
        array = parse_idx(io.BytesIO(content(count, 3, 4)), Path("a"), item=(3, 4))
        assert array.shape == (count, 3, 4)
    for shape in ((0, 3, 4), (2**32 - 1, 3, 4), (1, 4, 3)):
        data = io.BytesIO(content(*shape, values=12))
        with pytest.raises(DataError, match="a: expected 1 to 22,369,621 images of 3×4, received"):
            parse_idx(data, Path("a"), item=(3, 4))


@pytest.mark.parametrize("count", [2, None], ids=["known number", "any number"])
def test_a_small_file_that_unpacks_to_more_than_a_gigabyte_is_refused_at_once(count):
    bomb = gzip.compress(content(2, 3, 4)) + gzip.compress(bytes(2**24)) * 65
    assert len(bomb) < 2**21
    file = io.BytesIO(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="expected 24 values, received more"):
            parse_idx(file, Path("bomb"), item=(3, 4), count=count)
        assert file.tell() < len(bomb) / 2, "the rest is not even read"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [2, None], ids=["known number", "any number"])
def test_a_small_file_that_claims_a_huge_shape_is_refused_before_it_is_unpacked(count):
    bomb = gzip.compress(content(2**31, 3, 4, values=0) + bytes(2**22))
    assert len(bomb) < 2**13
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="received 2,147,483,648 of 3×4"):
            parse_idx(io.BytesIO(bomb), Path("bomb"), item=(3, 4), count=count)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
