"""Read image files and bring the images to the form of the dataset: grey, 28×28, dark background.

Images of another size are converted as those of the dataset were (Xiao et al. 2017, arXiv
1708.07747, section 2): margins that look like the corners are cut off, the longer side is scaled to
28 pixels, the shorter side is padded to 28, and an image with a light background is negated.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from fashion_dropout.errors import DataError
from fashion_dropout.files import open_file, read_file
from fashion_dropout.learning.idx import LARGEST_FILE, STARTS, parse_idx
from fashion_dropout.prediction.decoding import FORMATS, decode, is_picture

Invert = Literal["auto", "yes", "no"]

_SIDE = 28
_IN_FOLDERS = (".png", ".jpg", ".jpeg", "idx3-ubyte", "idx3-ubyte.gz")
_MOST_NAMES = 3
_CLOSE = 0.05 * 255  # section 2 of the paper: 5 % of the largest intensity


@dataclass(frozen=True)
class Pictures:
    """The images of one file.

    Attributes:
        file: The path of the file; bytes in it that are not Unicode are replaced.
        images: uint8 of shape (n, 28, 28, 1), grey values from 0 (background) to 255.
        prepared: What was done to bring the images to this form, in words.
    """

    file: str
    images: NDArray[np.uint8]
    prepared: str


def image_files(path: Path, say: Callable[[str], object]) -> list[Path]:
    """List the image files that a path names: the file itself, or the image files in a folder.

    Args:
        path: A file or a folder. In a folder, a file counts as an image file if its content begins
            as that of a picture, or if its name ends in ``.png``, ``.jpg``, ``.jpeg``,
            ``idx3-ubyte`` or ``idx3-ubyte.gz``, in lower or upper case. Names that begin with a
            dot are ignored.
        say: Told, in one line, which other files and folders are left out.

    Returns:
        At least one file. Files of a folder are sorted by name.

    Raises:
        DataError: The folder has no image file, or it cannot be read.
    """
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return [path]
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        found = [entry for entry in entries if entry.is_file() and _may_be_image(entry)]
    except FileNotFoundError:
        return [path]  # `read_pictures` says so
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path}: expected an image file or a folder of such, received: {reason}"
        ) from error
    listed = set(found)
    if not found:
        raise DataError(f"{path}: expected {FORMATS} files, or IDX files, in it, received none")
    if left_out := [entry.name for entry in entries if entry not in listed]:
        more = ", …" if len(left_out) > _MOST_NAMES else ""
        say(
            f"{path}: {len(left_out)} of {len(entries)} left out, which are no images: "
            f"{', '.join(left_out[:_MOST_NAMES])}{more}"
        )
    return found


def _may_be_image(path: Path) -> bool:
    if path.name.lower().endswith(_IN_FOLDERS):
        return True
    try:
        with open_file(path) as file:
            return is_picture(file.read(32))
    except OSError:
        return True  # `read_pictures` says why it cannot be read


def read_pictures(path: Path, invert: Invert = "auto") -> Pictures:
    """Read the images of a file. Its content decides what kind of file it is, not its name.

    Args:
        path: A picture in one of the `decoding.FORMATS`, grey or RGB, with or without transparency,
            with at most 8 bits per channel; or an IDX file of 28×28 images, gzipped or not.
        invert: Whether to negate the grey values. With ``auto``, a picture is negated if its
            background `is_light`; an IDX file never is.

    Raises:
        DataError: The file cannot be read, is none of these, is damaged or too large, or shows
            nothing.
    """
    try:
        images, steps = _prepare(path, _read(path), invert)
    except MemoryError as error:
        raise DataError(
            f"{path}: expected an image that fits into memory, received a larger one; scale it "
            "down first"
        ) from error
    name = os.fsencode(path).decode(errors="replace")  # a name need not be Unicode
    return Pictures(name, images, ", ".join(steps) or "unchanged")


def _prepare(path: Path, content: bytes, invert: Invert) -> tuple[NDArray[np.uint8], list[str]]:
    """The images in the content of a file, and what was done to them."""
    steps: list[str] = []
    light = False
    if content.startswith(STARTS):
        images = parse_idx(BytesIO(content), path, item=(_SIDE, _SIDE))[..., np.newaxis]
        contrast = int(np.ptp(images, axis=(1, 2, 3)).max())
    else:
        size, picture = decode(path, content, steps)
        light = is_light(picture)
        contrast = int(np.ptp(np.asarray(picture.convert("L"))))
        images = _reshape(picture, size, steps)[np.newaxis, ..., np.newaxis]
    if invert == "yes" or (invert == "auto" and light):
        images = 255 - images
        steps.append("inverted")
    if contrast <= _CLOSE:
        raise DataError(
            f"{path}: expected an image that shows something, received nearly the same grey value "
            "everywhere"
        )
    return images, steps


def is_light(picture: Image.Image) -> bool:
    """Tell whether the background of a picture is light: the median of its corners is above 127.5.

    This is right for each of the 70,000 images of the dataset and for each of their negatives. The
    largest median among the images is 51.5. ``benchmarks/predict.py`` measures both.
    """
    return float(_background(picture.convert("L"))[0]) > 127.5


def _read(path: Path) -> bytes:
    try:
        content = read_file(path, LARGEST_FILE)
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected an image file, received no such file") from error
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable image file, received: {error.strerror}"
        ) from error
    if not content:
        raise DataError(f"{path}: expected an image file, received an empty file")
    return content


def _reshape(picture: Image.Image, size: tuple[int, int], steps: list[str]) -> NDArray[np.uint8]:
    """Bring a picture to grey values of shape (28, 28), and add what was done to `steps`."""
    grey = picture.convert("L")
    if picture.size == (_SIDE, _SIDE):
        return np.asarray(grey)
    trimmed = grey.crop(_content_box(picture))
    if trimmed.size != picture.size:
        steps.append("trimmed")
    steps.append(f"scaled from {size[0]}×{size[1]}")
    scale = _SIDE / max(trimmed.size)
    width, height = (max(1, round(scale * edge)) for edge in trimmed.size)
    scaled = trimmed.resize((width, height), Image.Resampling.LANCZOS)
    canvas = Image.new("L", (_SIDE, _SIDE), round(float(_background(grey)[0])))
    canvas.paste(scaled, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return np.asarray(canvas)


def _content_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Find the box that is left when the margins are cut off.

    Margins differ from the background by at most 5 % of the largest intensity in each channel. If
    nothing would be left, the box is the whole picture.
    """
    colour = tuple(round(float(value)) for value in _background(picture))
    plain = Image.new(picture.mode, picture.size, colour)
    different = ImageChops.difference(picture, plain).point(lambda value: 255 * (value > _CLOSE))
    return different.getbbox() or (0, 0, *picture.size)


def _background(picture: Image.Image) -> NDArray[np.float64]:
    """Compute the median of the four corners for each channel.

    A corner is as large as one pixel of the scaled picture.
    """
    (width, height), side = picture.size, max(1, min(picture.size) // _SIDE)
    corners = [
        np.asarray(picture.crop((left, top, left + side, top + side)), dtype=np.float64)
        for left in (0, width - side)
        for top in (0, height - side)
    ]
    means = [corner.reshape(side**2, -1).mean(axis=0) for corner in corners]
    return np.asarray(np.median(means, axis=0))
