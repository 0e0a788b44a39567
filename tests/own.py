"""Images of somebody's own: scikit-learn's digits, in the files of MNIST."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

Arrays = Mapping[str, np.ndarray]


@cache
def digits() -> Arrays:
    """1,797 handwritten digits of 8×8 with grey values 0 … 16 (UCI, Alpaydin and Kaynak 1998).

    Each pixel is repeated to 3×3, two black pixels are added at each side, and grey values are
    scaled to 0 … 255 and rounded. The first 1,500 are for training.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    enlarged = np.kron(found.images, np.ones((3, 3)))
    images = np.pad(enlarged, ((0, 0), (2, 2), (2, 2)))
    images = np.rint(images * 255 / 16).astype(np.uint8)
    labels = found.target.astype(np.uint8)
    return {
        "train-images": images[:1500],
        "train-labels": labels[:1500],
        "t10k-images": images[1500:],
        "t10k-labels": labels[1500:],
    }


def idx(array: np.ndarray) -> bytes:
    """An array as the content of an IDX file."""
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return header + array.tobytes()


def write(
    folder: Path, arrays: Arrays | None = None, joint: str = "-", packed: bool = True
) -> Path:
    """Write the four IDX files; those of `digits`, unless others are given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (arrays or digits()).items():
        content = idx(array)
        path = folder / f"{name}{joint}idx{array.ndim}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content, 1) if packed else content)
    return folder


def write_npz(path: Path, **changes: object) -> Path:
    """Write one NPZ file, as Keras has MNIST; None as a change leaves an array out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    of = digits()
    arrays = {
        "x_train": of["train-images"],
        "y_train": of["train-labels"].astype(np.int64),
        "x_test": of["t10k-images"],
        "y_test": of["t10k-labels"],
        **changes,
    }
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path
