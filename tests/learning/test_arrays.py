"""NPZ files that are damaged: refused in one line, whichever bit it is."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_dropout.errors import DataError
from fashion_dropout.learning.arrays import read_arrays


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "a.npz", probabilities=np.zeros((5, 10), np.float32))
    return tmp_path / "a.npz"


def refused(path) -> str:
    with pytest.raises(DataError, match=r"a\.npz: expected a whole NPZ file, received: .") as error:
        read_arrays(path, "probabilities")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.filterwarnings("ignore")  # NumPy's, of headers that it takes for those of Python 2
def test_every_changed_bit_of_a_header_is_refused(path):
    whole = path.read_bytes()
    begin = whole.index(b"{'descr'")
    for place in range(begin, whole.index(b"\n", begin)):
        for bit in range(8):
            changed = bytes([whole[place] ^ 1 << bit])
            path.write_bytes(whole[:place] + changed + whole[place + 1 :])
            refused(path)


def test_a_header_nested_too_deeply_is_refused(path):
    import zipfile

    header = b"-" * 9_000 + b"1"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            "probabilities.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        )
    refused(path)


def test_a_member_with_a_password_is_refused(path):
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1  # the flags in the directory of the file
    path.write_bytes(whole)
    assert "encrypted" in refused(path)
