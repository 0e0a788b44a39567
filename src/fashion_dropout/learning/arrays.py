"""Reading NPZ files, without trusting what a file says of itself."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.errors import DataError
from fashion_dropout.files import open_file

LARGEST_ARRAYS = 2**28
"""The most bytes that the arrays of a file may have, unpacked."""


def read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Read arrays of an NPZ file; nothing in it is unpickled.

    Args:
        path: The file.
        names: The names of the arrays.

    Returns:
        Name → array.

    Raises:
        DataError: The file cannot be read, is damaged or too large, or lacks an array.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as packed:
            size = sum(packed.getinfo(f"{name}.npy").file_size for name in names)
            if size > LARGEST_ARRAYS:
                raise DataError(
                    f"{path}: expected arrays of at most {LARGEST_ARRAYS:,} bytes, received "
                    f"{size:,}"
                )
            return {name: _read(packed, f"{name}.npy") for name in names}
    except KeyError as error:
        raise DataError(f"{path}: expected the arrays {', '.join(names)}: {error}") from error
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise many types of errors for damaged files
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(
            f"{path}: expected a whole NPZ file, received: {reason or type(error).__name__}"
        ) from error


def _read(packed: zipfile.ZipFile, member: str) -> NDArray[Any]:
    """Read one array, if its header claims no more than the file holds."""
    with packed.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"expected version 1.0 of the NPY format, received {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.hasobject:
            raise ValueError("expected numbers or text, received pickled objects")
        content = stream.read()
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C").copy()
