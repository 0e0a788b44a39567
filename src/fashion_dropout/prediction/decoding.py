"""Decode picture files that may come from anybody.

Sizes are refused before anything is decoded, and a large picture is reduced as soon as it is
decoded, so that it is held in memory once.
"""

from __future__ import annotations

import re
import struct
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageOps, ImageStat, UnidentifiedImageError

from fashion_dropout.errors import DataError

FORMATS = "PNG, JPEG, WebP, AVIF, GIF or BMP"
"""The formats that are decoded, for messages."""

LARGEST_IMAGE = 50_000_000
"""The most pixels that an image may have."""

LARGEST_SIDE = 20_000
"""The most pixels that a side of an image may have."""

LARGEST_RATIO = 28
"""How many times as long as the other a side may be; beyond it, 28×28 pixels cannot show it."""

_ENOUGH = 64 * 28  # pixels of the longer side; what has at least twice as many is reduced
_BAND = 64  # rows of the reduced picture that are made at once
_DECODED = re.compile(
    rb"\x89PNG|\xff\xd8\xff|RIFF.{4}WEBP|.{4}ftypavi[fs]|GIF8|BM.{4}\0{4}", re.DOTALL
)
_NOT_DECODED = {
    "HEIC": re.compile(rb".{4}ftyp(hei[cxms]|hev[cx]|m[is]f1)", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
}
_PNG_DEPTH = slice(24, 25)  # the byte of a PNG with the number of bits per channel
_SCAN = b"\xff\xda"  # the marker before each scan of a JPEG
_MOST_SCANS = 200  # each goes over the whole picture, and cameras write ten or so
_OF_FRAMES = ("PNG", "WEBP", "AVIF", "GIF")
_GREY = ("1", "L", "LA")
_COLOURED = ("P", "PA", "RGB", "RGBA")
_TURNED = range(2, 9)  # the orientations of EXIF that are not upright
_SIDEWAYS = range(5, 9)  # those of them that exchange width and height
_NOTES = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")  # with the orientation
_FAINT = 0.9 * 255  # lighter than this, an item is hardly seen on white


def is_picture(start: bytes) -> bool:
    """Tell by its first bytes whether a file is a picture, also one that is not decoded here."""
    return any(kind.match(start) for kind in (_DECODED, *_NOT_DECODED.values()))


def decode(path: Path, content: bytes, steps: list[str]) -> tuple[tuple[int, int], Image.Image]:
    """Decode a picture to grey or RGB, upright and opaque.

    Args:
        path: The name of the file in error messages.
        content: The content of the file.
        steps: What is done to the picture is added to it, in words.

    Returns:
        The size of the upright picture, and the picture itself, which is smaller by a whole factor
        if it was large.

    Raises:
        DataError: The content is no such picture, is damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about EXIF, and about images that `_check` refuses
            picture = Image.open(
                BytesIO(content), formats=FORMATS.upper().replace(" OR ", ", ").split(", ")
            )
            _check(path, picture, content)
            size, mode = picture.size, picture.mode
            if picture.format in _OF_FRAMES and picture.is_animated:  # type: ignore[attr-defined]
                steps.append("first of several frames")
            orientation = _orientation(picture)
            upright = ImageOps.exif_transpose(_reduced(picture))
            if orientation in _TURNED:
                steps.append("rotated")
            if orientation in _SIDEWAYS:
                size = size[::-1]
            if upright.has_transparency_data:
                layer = upright.convert("RGBA")
                colour = "black" if _is_faint_on_white(layer) else "white"
                if layer.getchannel("A").getextrema() != (255, 255):
                    steps.append(f"flattened onto {colour}")
                upright = Image.alpha_composite(Image.new("RGBA", layer.size, colour), layer)
            if mode not in _GREY:
                steps.append("grey")
            return size, upright.convert("L" if mode in _GREY else "RGB")
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        known = [name for name, kind in _NOT_DECODED.items() if kind.match(content)]
        received = (
            f"{known[0]}; convert it to PNG or JPEG first"
            if known
            else "a damaged one"
            if _DECODED.match(content)
            else "none of these"
        )
        raise DataError(
            f"{path}: expected {FORMATS}, or an IDX file of images, received {received}"
        ) from error
    except Image.DecompressionBombError as error:
        limit = f"expected at most {LARGEST_IMAGE:,} pixels"
        raise DataError(f"{path}: {limit}, received: {error}") from error
    except Exception as error:  # Pillow raises many types of errors for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: expected a whole image, received: {reason}") from error


def _check(path: Path, picture: Image.Image, content: bytes) -> None:
    width, height = picture.size
    if width * height > LARGEST_IMAGE:
        raise DataError(
            f"{path}: expected at most {LARGEST_IMAGE:,} pixels, received {width:,}×{height:,}; "
            "scale it down first"
        )
    longer, shorter = max(width, height), min(width, height)
    if longer > LARGEST_SIDE or longer > LARGEST_RATIO * shorter:
        raise DataError(
            f"{path}: expected sides of at most {LARGEST_SIDE:,} pixels, the longer at most "
            f"{LARGEST_RATIO} times the shorter, received {width:,}×{height:,}; cut it first"
        )
    if picture.format in ("JPEG", "MPO") and (scans := content.count(_SCAN)) > _MOST_SCANS:
        raise DataError(
            f"{path}: expected a JPEG of at most {_MOST_SCANS} scans, received {scans:,}"
        )
    deep = picture.format == "PNG" and content[_PNG_DEPTH] == b"\x10"
    if deep or picture.mode not in _GREY + _COLOURED:
        raise DataError(
            f"{path}: expected grey or RGB, with or without transparency, received "
            f"{'16 bits per channel' if deep else picture.mode}; convert it to 8-bit RGB first"
        )


def _orientation(picture: Image.Image) -> Any:
    """The orientation that a camera has noted; 1, and no note left, where nobody can read it."""
    picture.load()  # what is damaged is refused here, and not taken for its EXIF
    try:
        return picture.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, struct.error):  # no viewer stops at it
        for name in _NOTES:
            picture.info.pop(name, None)
        return 1


def _is_faint_on_white(layer: Image.Image) -> bool:
    """Tell whether white would hide most of what a transparent picture shows.

    The dataset's items were photographed on white, so white it is otherwise: of its test images,
    1 in 270 is as faint.
    """
    alpha = layer.getchannel("A")
    solid = alpha.point(lambda value: 255 * (value > 127))
    seen = ImageStat.Stat(layer.convert("L"), solid if solid.getbbox() else alpha)
    return seen.median[0] > _FAINT


def _reduced(picture: Image.Image) -> Image.Image:
    """The picture, or, if it is large, one that is smaller by a whole factor: means of squares."""
    factor = max(picture.size) // _ENOUGH
    if factor < 2:
        return picture
    width, height = picture.size
    mode = "L" if picture.mode == "1" else picture.mode
    if picture.has_transparency_data:
        mode = "RGBA"
    elif mode == "P":
        mode = "RGB"
    small = Image.new(mode, (-(-width // factor), -(-height // factor)))
    for row in range(0, small.height, _BAND):
        rows = (0, row * factor, width, min((row + _BAND) * factor, height))
        small.paste(picture.crop(rows).convert(mode).reduce(factor), (0, row))
    small.info = {**picture.info}
    if mode == "RGBA":
        small.info.pop("transparency", None)
    return small
