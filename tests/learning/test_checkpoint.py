from __future__ import annotations

import hashlib
import json
import os
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from fashion_dropout.errors import CheckpointError
from fashion_dropout.learning import checkpoint
from fashion_dropout.learning.checkpoint import Checkpoint

ARRAYS = {
    "weights/000": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "optimizer/000": np.array(7, dtype=np.int64),
    "history": np.zeros((0, 7)),
}
ABOUT = {"configuration": {"seed": 3, "dropout": 0.5}, "dataset.sha256": "ab", "名": "é"}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(
        (one[name].dtype, one[name].shape, one[name].tobytes())
        == (other[name].dtype, other[name].shape, other[name].tobytes())
        for name in one
    )


def test_what_was_written_comes_back(tmp_path):
    path = checkpoint.write(tmp_path, Checkpoint(4, ARRAYS, ABOUT))
    back = checkpoint.read(path)
    assert (back.epoch, back.about) == (4, ABOUT)
    assert same(back.arrays, ARRAYS)
    assert not any(array.flags.writeable for array in back.arrays.values())


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    array=arrays_of.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.dtype(">f4")]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    name=st.text(max_size=20),
)
def test_every_array_comes_back_to_the_bit(tmp_path, array, name):
    back = checkpoint.read(checkpoint.write(tmp_path, Checkpoint(1, {name: array}, {}))).arrays
    little = array.astype(array.dtype.newbyteorder("<"))
    assert same(back, {name: little})


def test_the_last_two_are_kept(tmp_path):
    for epoch in (1, 2, 9, 10, 11):
        checkpoint.write(tmp_path, Checkpoint(epoch, ARRAYS, ABOUT))
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["epoch-000000010.checkpoint", "epoch-000000011.checkpoint"]
    found, errors = checkpoint.newest(tmp_path)
    assert (found.epoch, errors) == (11, [])


def test_an_empty_folder_has_none(tmp_path):
    assert checkpoint.newest(tmp_path) == (None, [])
    assert checkpoint.newest(tmp_path / "missing") == (None, [])


def test_every_single_damaged_byte_is_noticed(tmp_path):
    path = checkpoint.write(tmp_path, Checkpoint(1, ARRAYS, ABOUT))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="expected a whole checkpoint"):
            checkpoint.read(path)
    for length in (0, 7, 40, 48, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            checkpoint.read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError):
        checkpoint.read(path)


def with_checksum(header: bytes, content: bytes = b"", length: int | None = None) -> bytes:
    """A file whose checksum is right, whatever else is wrong in it."""
    length = len(header) if length is None else length
    rest = length.to_bytes(8, "little") + header + content
    return b"FDCHECK1" + hashlib.sha256(rest).digest() + rest


def header(*arrays, epoch=1, about=None) -> bytes:
    return json.dumps({"epoch": epoch, "about": about or {}, "arrays": arrays}).encode()


FLOATS = {"name": "a", "dtype": "<f4", "shape": [2]}


@pytest.mark.parametrize(
    "content",
    [
        with_checksum(b"{}", length=2**63),
        with_checksum(b"[" * 100_000),
        with_checksum(b"\xff\xfe"),
        with_checksum(b"[]"),
        with_checksum(b"null"),
        with_checksum(header(epoch=-1)),
        with_checksum(header(epoch=True)),
        with_checksum(header(epoch="1")),
        with_checksum(header(about=["ab", "cd", 3])),
        with_checksum(header(FLOATS), bytes(7)),
        with_checksum(header(FLOATS), bytes(9)),
        with_checksum(header(FLOATS | {"dtype": "|O"}), bytes(16)),
        with_checksum(header(FLOATS | {"dtype": ["<f4"]}), bytes(8)),
        with_checksum(header(FLOATS | {"shape": [2**70, 0]})),
        with_checksum(header(FLOATS | {"shape": [2**40]})),
        with_checksum(header(FLOATS | {"shape": [-2]}), bytes(8)),
        with_checksum(header(FLOATS | {"shape": "ab"})),
        with_checksum(header(FLOATS | {"shape": [1] * 100}), bytes(4)),
        with_checksum(header("a")),
        with_checksum(b'{"epoch": 1, "about": {}, "arrays": 3}'),
    ],
)
def test_a_forged_file_with_a_right_checksum_is_refused(tmp_path, content):
    path = tmp_path / "epoch-000000001.checkpoint"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="expected a whole checkpoint"):
        checkpoint.read(path)


def test_only_files_of_a_bounded_size_are_opened(tmp_path):
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as stream:
        stream.truncate(2**30 + 1)
    began = time.monotonic()
    for path in (pipe, large, tmp_path, tmp_path / "missing", tmp_path / "nu\0l"):
        with pytest.raises(CheckpointError, match="expected a whole checkpoint"):
            checkpoint.read(path)
    assert time.monotonic() - began < 5, "nothing of them was read"


def test_the_one_before_a_damaged_one_is_used(tmp_path):
    for epoch in (1, 2):
        path = checkpoint.write(tmp_path, Checkpoint(epoch, ARRAYS, ABOUT))
    with path.open("r+b") as stream:
        stream.seek(100)
        stream.write(b"\0\0\0\0\0\0")
    found, errors = checkpoint.newest(tmp_path)
    assert found.epoch == 1
    assert [str(path) in str(error) for error in errors] == [True]


def test_two_damaged_ones_are_an_error(tmp_path):
    for epoch in (1, 2):
        checkpoint.write(tmp_path, Checkpoint(epoch, ARRAYS, ABOUT)).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="epoch-000000002"):
        checkpoint.newest(tmp_path)


def test_what_cannot_be_written_is_one_line_and_the_one_before_stays(tmp_path):
    before = checkpoint.write(tmp_path, Checkpoint(1, ARRAYS, ABOUT)).read_bytes()
    (tmp_path / ".epoch-000000002.checkpoint.partial").mkdir()  # in the way of the new one
    with pytest.raises(CheckpointError, match="expected to write the checkpoint of epoch 2"):
        checkpoint.write(tmp_path, Checkpoint(2, ARRAYS, ABOUT))
    assert (tmp_path / "epoch-000000001.checkpoint").read_bytes() == before
