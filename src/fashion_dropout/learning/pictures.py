"""Image files in the form of the dataset: grey, 28×28, dark background.

Images of another size go the way by which the dataset was made (Xiao et al. 2017, arXiv 1708.07747,
section 2): edges that look like the corners are cut off, the longest edge becomes 28 pixels, the
shorter one is filled up to 28, and light backgrounds are negated.
"""

from __future__ import annotations

import gzip
import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageOps, UnidentifiedImageError

from fashion_dropout.errors import DataError

Invert = Literal["auto", "yes", "no"]

LARGEST_FILE = 256 * 2**20
"""Bytes that are read of a file at most, and unpacked from one."""

LARGEST_IMAGE = 50_000_000
"""Pixels of an image at most."""

_SIDE = 28
_PART = 2**20
_GZIP = b"\x1f\x8b"
_IDX_BYTES = b"\0\0\x08"
_IDX_HEADER = struct.Struct(">4I")  # magic number; how many images, of how many rows and columns
_IDX_IMAGES = 0x00000803  # unsigned bytes in three dimensions
_STARTS = (b"\x89PNG", b"\xff\xd8\xff")
_PNG_DEPTH = slice(24, 25)  # where a PNG says how many bits a channel has
_GREY = ("1", "L", "LA")
_COLOURED = ("P", "PA", "RGB", "RGBA")
_TURNED = range(2, 9)  # EXIF's orientations; 1 is upright
_CLOSE = 0.05 * 255


@dataclass(frozen=True)
class Pictures:
    """The images of one file.

    Attributes:
        file: The file's name.
        images: uint8 of shape (n, 28, 28, 1), grey values from 0 (background) to 255.
        prepared: What was done to bring them to this form, in words.
    """

    file: str
    images: NDArray[np.uint8]
    prepared: str


def read_pictures(path: Path, invert: Invert = "auto") -> Pictures:
    """The images of a file, whose kind is told by its content, not by its name.

    Args:
        path: A PNG or JPEG file, grey or RGB, with or without transparency, of at most 8 bits a
            channel; or an IDX file of images of 28×28, gzipped or not.
        invert: Whether grey values are negated. ``auto``: those of a PNG or JPEG file if its
            background `is_light`; those of an IDX file never.

    Raises:
        DataError: The file cannot be read, is none of these, or is damaged or too large.
    """
    content = _content(path)
    steps: list[str] = []
    light = False
    if content.startswith((_GZIP, _IDX_BYTES)):
        images = _idx_images(path, content)
    else:
        picture = _decode(path, content, steps)
        light = is_light(picture)
        images = _reshape(picture, steps)[np.newaxis, ..., np.newaxis]
    if invert == "yes" or (invert == "auto" and light):
        images = 255 - images
        steps.append("inverted")
    name = os.fsencode(path).decode(errors="replace")  # such as can be printed anywhere
    return Pictures(name, images, ", ".join(steps) or "as it is")


def is_light(picture: Image.Image) -> bool:
    """Whether the background of a picture is light: the median of its corners is above 127.5.

    Right for each of the 70,000 images of the dataset and for each of their negatives; the corners
    came no nearer to the limit than 51.5. Measured by ``benchmarks/predict.py``.

    Args:
        picture: Grey or RGB.
    """
    return float(_background(picture.convert("L"))[0]) > 127.5


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            parts = iter(partial(stream.read, _PART), b"")  # also of a pipe, which has no size
            content = b"".join(islice(parts, LARGEST_FILE // _PART + 1))
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected an image file, received no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: expected a readable image file, received: {reason}") from error
    if not 0 < len(content) <= LARGEST_FILE:
        received = "more" if content else "an empty file"
        raise DataError(f"{path}: expected 1 to {LARGEST_FILE:,} bytes, received {received}")
    return content


def _idx_images(path: Path, content: bytes) -> NDArray[np.uint8]:
    file = BytesIO(content)
    try:
        with gzip.GzipFile(fileobj=file) if content.startswith(_GZIP) else file as stream:
            header = stream.read(_IDX_HEADER.size)
            if len(header) < _IDX_HEADER.size:
                raise DataError(
                    f"{path}: expected an IDX header of {_IDX_HEADER.size} bytes, received "
                    f"{len(header)}"
                )
            magic, count, rows, columns = _IDX_HEADER.unpack(header)
            if magic != _IDX_IMAGES:
                raise DataError(
                    f"{path}: expected IDX magic number {_IDX_IMAGES:#010x}, that of images, "
                    f"received {magic:#010x}"
                )
            size = count * rows * columns
            if (rows, columns) != (_SIDE, _SIDE) or not 0 < size <= LARGEST_FILE:
                raise DataError(
                    f"{path}: expected 1 to {LARGEST_FILE // _SIDE**2:,} images of 28×28, "
                    f"received {count:,} of {rows}×{columns}"
                )
            values = stream.read(size + 1)  # never more, whatever the file unpacks to
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole gzip file, received one that cannot be unpacked ({error})"
        ) from error
    if len(values) != size:
        received = f"{len(values):,}" if len(values) < size else "more"
        raise DataError(f"{path}: expected {size:,} values, received {received}")
    return np.frombuffer(values, np.uint8).reshape(count, _SIDE, _SIDE, 1)


def _decode(path: Path, content: bytes, steps: list[str]) -> Image.Image:
    """A picture, grey or RGB, upright and opaque; what that took is added to `steps`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, as smaller ones are refused; of EXIF
            picture = Image.open(BytesIO(content), formats=("PNG", "JPEG"))
            _check(path, picture, content)
            upright = ImageOps.exif_transpose(picture)
            if picture.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED:
                steps.append("turned")
            if upright.has_transparency_data:
                layer = upright.convert("RGBA")
                if layer.getchannel("A").getextrema() != (255, 255):
                    steps.append("laid on white")
                upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
            if picture.mode not in _GREY:
                steps.append("grey")
            return upright.convert("L" if picture.mode in _GREY else "RGB")
    except DataError:
        raise
    except UnidentifiedImageError as error:
        received = "a damaged one" if content.startswith(_STARTS) else "none of these"
        raise DataError(
            f"{path}: expected a PNG, a JPEG or an IDX file of images, received {received}"
        ) from error
    except Image.DecompressionBombError as error:
        limit = f"expected at most {LARGEST_IMAGE:,} pixels"
        raise DataError(f"{path}: {limit}, received: {error}") from error
    except Exception as error:  # Pillow lets through whatever it runs into in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: expected a whole image, received: {reason}") from error


def _check(path: Path, picture: Image.Image, content: bytes) -> None:
    width, height = picture.size
    if width * height > LARGEST_IMAGE:
        raise DataError(
            f"{path}: expected at most {LARGEST_IMAGE:,} pixels, received {width:,}×{height:,}"
        )
    deep = picture.format == "PNG" and content[_PNG_DEPTH] == b"\x10"
    if deep or picture.mode not in _GREY + _COLOURED:
        raise DataError(
            f"{path}: expected grey or RGB, with or without transparency, received "
            f"{'16 bits a channel' if deep else picture.mode}"
        )


def _reshape(picture: Image.Image, steps: list[str]) -> NDArray[np.uint8]:
    """The grey values of a picture as (28, 28); what that took is added to `steps`."""
    grey = picture.convert("L")
    if picture.size == (_SIDE, _SIDE):
        return np.asarray(grey)
    trimmed = grey.crop(_content_box(picture))
    if trimmed.size != picture.size:
        steps.append("trimmed")
    steps.append(f"scaled from {picture.size[0]}×{picture.size[1]}")
    scale = _SIDE / max(trimmed.size)
    width, height = (max(1, round(scale * edge)) for edge in trimmed.size)
    scaled = trimmed.resize((width, height), Image.Resampling.LANCZOS)
    canvas = Image.new("L", (_SIDE, _SIDE), round(float(_background(grey)[0])))
    canvas.paste(scaled, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return np.asarray(canvas)


def _content_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """What is left if edges are cut off that differ from the background by at most 5 % of the
    largest intensity in each channel; everything, if nothing would be left.
    """
    colour = tuple(round(float(value)) for value in _background(picture))
    plain = Image.new(picture.mode, picture.size, colour)
    different = ImageChops.difference(picture, plain).point(lambda value: 255 * (value > _CLOSE))
    return different.getbbox() or (0, 0, *picture.size)


def _background(picture: Image.Image) -> NDArray[np.float64]:
    """The median of the four corners, for each channel; a corner is as large as a pixel will be."""
    (width, height), side = picture.size, max(1, min(picture.size) // _SIDE)
    corners = [
        np.asarray(picture.crop((left, top, left + side, top + side)), dtype=np.float64)
        for left in (0, width - side)
        for top in (0, height - side)
    ]
    means = [corner.reshape(side**2, -1).mean(axis=0) for corner in corners]
    return np.asarray(np.median(means, axis=0))
