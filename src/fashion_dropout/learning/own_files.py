"""A user's own images: four IDX files, named as MNIST names them, or one NPZ file, as Keras has it.

Nobody knows the checksums of such files, so they are looked at before they are used: kind, size,
labels, counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.errors import DataError
from fashion_dropout.escapes import brief, csv_cell
from fashion_dropout.files import LARGEST_TEXT, beginning_of, read_file
from fashion_dropout.learning.arrays import read_arrays
from fashion_dropout.learning.idx import read_idx

MOST_CLASSES = 10
"""As many as the network has outputs."""

CLASSES_FILE = "classes.txt"
"""The file with the class names, one a line, by label; it may be absent."""

_LONGEST_NAME = 40  # characters: a name stands beside figures and in tables
_SIZE = (28, 28)
_DIMENSIONS = {"images": 3, "labels": 1}
_IN_NPZ = {"train": "train", "t10k": "test"}
_ADVICE = (
    "give the folder with the four IDX files, named as MNIST's (train-images-idx3-ubyte[.gz] …), "
    "or one .npz file with x_train, y_train, x_test and y_test"
)

Files = Mapping[str, tuple[Path, ...]]
"""``train`` and ``t10k`` → the files of images and of labels, or the one NPZ file of both."""


def locate(path: Path) -> Files:
    """The files of the images that a user names.

    Args:
        path: A folder with four IDX files, gzipped or not, or with one NPZ file; or the NPZ file.

    Raises:
        DataError: There are none, or it is not clear which.
    """
    try:
        names = sorted(of.name for of in path.iterdir() if not of.name.startswith("."))
    except NotADirectoryError as error:
        if path.suffix != ".npz":
            raise DataError(f"{path}: expected a folder or an .npz file; {_ADVICE}") from error
        return dict.fromkeys(_IN_NPZ, (path,))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path}: expected a folder, received: {reason}{beginning_of(path)}; {_ADVICE}"
        ) from error
    packed = [name for name in names if name.endswith(".npz")]
    usual = {(part, kind): _usual_names(part, kind) for part in _IN_NPZ for kind in _DIMENSIONS}
    found = {place: [name for name in names if name in usual[place]] for place in usual}
    if len(packed) == 1 and not any(found.values()):
        return dict.fromkeys(_IN_NPZ, (path / packed[0],))
    if packed or not any(found.values()):
        received = "neither"
        if packed:
            received = "both" if any(found.values()) else f"{len(packed)} .npz files"
        raise DataError(f"{path}: expected images, received {received}; {_ADVICE}")
    for place, there in found.items():
        if len(there) != 1:
            raise DataError(
                f"{path}: expected one file {usual[place][0]}, gzipped or not, received "
                f"{' and '.join(there) or 'none'}"
            )
    return {part: tuple(path / found[part, kind][0] for kind in _DIMENSIONS) for part in _IN_NPZ}


def _usual_names(part: str, kind: str) -> list[str]:
    return [
        f"{part}-{kind}{joint}idx{_DIMENSIONS[kind]}-ubyte{ending}"
        for joint in "-."
        for ending in ("", ".gz")
    ]


def read(files: Files, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images of a part with their labels.

    Args:
        files: As `locate` gives them.
        part: ``train`` or ``t10k``.

    Returns:
        uint8 of shape (n, 28, 28) and uint8 of shape (n,), values 0 … 9; n ≥ 1.

    Raises:
        DataError: A file cannot be read, or is not what its name says; the counts differ; or there
            are more than ten classes.
    """
    if len(files[part]) == 1:
        (path,) = files[part]
        images, labels = _read_npz(path, _IN_NPZ[part])
    else:
        of_images, path = files[part]
        images, labels = read_idx(of_images, (None, *_SIZE)), read_idx(path, (None,))
    if len(images) != len(labels):
        raise DataError(
            f"{path}: expected a label for each of the {len(images):,} images, received "
            f"{len(labels):,}"
        )
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= MOST_CLASSES:
        received = lowest if lowest < 0 else highest
        raise DataError(
            f"{path}: expected labels from 0 to {MOST_CLASSES - 1}, at most {MOST_CLASSES} "
            f"classes, received the label {received}"
        )
    return images, labels.astype(np.uint8)


def _read_npz(path: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    arrays = read_arrays(path, f"x_{part}", f"y_{part}")
    images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != _SIZE or not len(images):
        raise DataError(
            f"{path}: expected x_{part} of uint8 and shape (n, 28, 28), received {images.dtype} "
            f"and shape {images.shape}"
        )
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or not len(labels):
        raise DataError(
            f"{path}: expected y_{part} of whole numbers and shape (n,), received {labels.dtype} "
            f"and shape {labels.shape}"
        )
    return images, labels


def read_classes(files: Files, needed: int) -> tuple[str, ...]:
    """The ten class names, by label, from `CLASSES_FILE` beside the files.

    Args:
        files: As `locate` gives them.
        needed: How many labels there are, 0 … needed − 1; those after them get the name "unused 7"
            or the like.

    Returns:
        Ten names; "class 0" and so on where the file is absent.

    Raises:
        DataError: The file cannot be read; or it has too few names, more than ten, one twice, or
            one that cannot be shown everywhere.
    """
    path = files["train"][0].with_name(CLASSES_FILE)
    try:
        names = read_file(path, LARGEST_TEXT).decode("utf-8-sig").rstrip().splitlines()
    except FileNotFoundError:
        names = [f"class {label}" for label in range(needed)]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are no UTF-8"
        raise DataError(f"{path}: expected the class names, received: {reason}") from error
    if not needed <= len(names) <= MOST_CLASSES:
        expected = f"{needed} to {MOST_CLASSES}" if needed < MOST_CLASSES else str(MOST_CLASSES)
        raise DataError(
            f"{path}: expected {expected} class names, one a line, received {len(names)}"
        )
    names += [f"unused {label}" for label in range(len(names), MOST_CLASSES)]
    for label, name in enumerate(names):
        if not _can_be_shown(name):
            raise DataError(
                f"{path}: expected names of 1 to {_LONGEST_NAME} visible characters without $, "
                f"none of which a spreadsheet takes for a formula, received {brief(name)} in line "
                f"{label + 1}"
            )
        if name in names[:label]:
            raise DataError(f"{path}: expected each name once, received {brief(name)} twice")
    return tuple(names)


def _can_be_shown(name: str) -> bool:
    """On a terminal, in a table, in a figure, where a $ begins a formula."""
    whole = name == name.strip() and 0 < len(name) <= _LONGEST_NAME
    return whole and "$" not in name and csv_cell(name) == name
