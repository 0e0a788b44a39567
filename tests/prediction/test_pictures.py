"""Image files brought to the dataset's form, and everything that is not an image."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fashion_dropout.errors import DataError
from fashion_dropout.learning.dataset import FashionMnist
from fashion_dropout.prediction.pictures import image_files, is_light, read_pictures

LIGHT, DARK = (250, 251, 249), (20, 40, 60)


def small() -> np.ndarray:
    """A 28×28 image with a dark background and every grey value in it."""
    pixels = np.zeros((28, 28), dtype=np.uint8)
    pixels[6:22, 6:22] = np.arange(256).reshape(16, 16)
    return pixels


def photo(width=600, height=800, box=(150, 200, 450, 700), background=LIGHT, colour=DARK):
    """A plain rectangle on a plain background."""
    picture = Image.new("RGB", (width, height), background)
    ImageDraw.Draw(picture).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=colour)
    return picture


@pytest.fixture
def saved(tmp_path):
    """Write a picture to a file; the file's path."""

    def save(picture, name="picture.png", **options) -> Path:
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def read(path, invert="auto"):
    """The grey values of a file with one image, and what was done."""
    pictures = read_pictures(path, invert)
    assert pictures.images.dtype == np.uint8
    assert pictures.images.shape == (1, 28, 28, 1)
    return pictures.images[0, ..., 0], pictures.prepared


def test_a_folder_names_the_images_in_it_sorted_by_name(images):
    for name in ("B.JPG", "a.jpeg", ".hidden.png", "notes.txt", "t10k-labels-idx1-ubyte.gz"):
        (images / name).touch()
    (images / "more.png").mkdir()
    assert [path.name for path in image_files(images, print)] == [
        "0.png",
        "1.png",
        "B.JPG",
        "a.jpeg",
        "images-idx3-ubyte",
    ]
    assert image_files(images / "0.png", print) == [images / "0.png"]


def test_an_image_in_the_datasets_form_stays_as_it_is(saved):
    path = saved(small())
    pixels, prepared = read(path)
    np.testing.assert_array_equal(pixels, small())
    assert prepared == "unchanged"
    assert read_pictures(path).file == str(path)


@pytest.mark.parametrize(
    ("invert", "negated", "prepared"),
    [("auto", True, "grey, inverted"), ("yes", True, "grey, inverted"), ("no", False, "grey")],
)
def test_a_negative_of_28_by_28_keeps_its_pixels_and_is_inverted(saved, invert, negated, prepared):
    path = saved(Image.fromarray(255 - small()).convert("RGB"))
    pixels, said = read(path, invert)
    np.testing.assert_array_equal(pixels, small() if negated else 255 - small())
    assert said == prepared


def test_a_photo_goes_the_way_of_the_dataset(saved):
    pixels, prepared = read(saved(photo(), "photo.jpg", quality=92))
    assert prepared == "grey, trimmed, scaled from 600×800, inverted"
    # 300×500 becomes 17×28, in the middle; the background is 255 − 250, the rectangle 255 − 36.
    columns = np.flatnonzero(pixels.max(axis=0) > 100)
    assert (columns[0], columns[-1]) == (5, 21)
    assert (pixels[:, 6:21] > 210).all()
    assert (pixels[:, [0, 1, 2, 3, 24, 25, 26, 27]] < 10).all()


def test_a_wide_image_is_filled_up_above_and_below(saved):
    pixels, prepared = read(
        saved(photo(280, 140, (0, 40, 280, 100), background=LIGHT, colour=DARK)), "no"
    )
    assert prepared == "grey, trimmed, scaled from 280×140"
    wide = photo(280, 140, (20, 30, 260, 110), background=(0, 0, 0), colour=LIGHT)
    pixels, prepared = read(saved(wide))
    assert prepared == "grey, trimmed, scaled from 280×140"  # 240×80 becomes 28×9
    rows = np.flatnonzero(pixels.max(axis=1) > 125)
    assert (rows[0], rows[-1]) == (9, 17)
    assert (pixels[rows] > 240).all()


@pytest.mark.parametrize(("difference", "cut"), [(12, True), (13, False)])
def test_edges_within_five_percent_of_the_corners_are_cut_off(saved, difference, cut):
    picture = photo(100, 100, (50, 2, 51, 98), (200, 200, 200), (200, 200, 200 - difference))
    ImageDraw.Draw(picture).rectangle((20, 20, 79, 79), fill=0)
    pixels, _ = read(saved(picture))
    assert (pixels.min() > 200) == cut  # cut: the black square is all that is left


def test_transparency_is_laid_on_white(saved):
    opaque = photo(background=(255, 255, 255))
    transparent = opaque.convert("RGBA")
    # What is hidden is black: without the white below it, all would be dark.
    black = Image.new("RGBA", opaque.size)
    hidden = Image.fromarray(np.asarray(opaque)[..., 0] < 128)
    transparent = Image.composite(transparent, black, hidden)
    pixels, prepared = read(saved(transparent, "cut out.png"))
    assert prepared == "flattened onto white, grey, trimmed, scaled from 600×800, inverted"
    np.testing.assert_array_equal(pixels, read(saved(opaque))[0])
    assert "white" not in read(saved(opaque.convert("RGBA")))[1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["photo.png", "photo.jpg"])
def test_the_orientation_that_a_camera_notes_is_honoured(saved, name, orientation):
    upright = photo(160, 200, (40, 30, 120, 150))
    ImageDraw.Draw(upright).rectangle((60, 40, 80, 60), fill=(200, 180, 190))
    transpose = Image.Transpose
    undone = {
        2: transpose.FLIP_LEFT_RIGHT,
        3: transpose.ROTATE_180,
        4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE,
        6: transpose.ROTATE_90,
        7: transpose.TRANSVERSE,
        8: transpose.ROTATE_270,
    }
    finely = {"quality": 95, "subsampling": 0} if name.endswith("jpg") else {}
    noted = Image.Exif()
    noted[0x0112] = orientation
    turned = upright.transpose(undone[orientation]) if orientation > 1 else upright
    pixels, prepared = read(saved(turned, name, exif=noted, **finely))
    expected, _ = read(saved(upright, f"upright {name}", **finely))
    np.testing.assert_allclose(pixels.astype(int), expected, atol=4 if finely else 0)
    assert prepared.startswith("rotated, ") == (orientation > 1)
    assert "scaled from 160×200" in prepared


def test_every_kind_of_8_bit_grey_and_colour_is_read(saved):
    for mode in ("L", "LA", "P", "RGB", "RGBA"):
        pixels, prepared = read(saved(Image.fromarray(small()).convert(mode)))
        np.testing.assert_array_equal(pixels, small())
        assert prepared == ("unchanged" if mode in ("L", "LA") else "grey")
    pixels, _ = read(saved(Image.fromarray(small() > 127)))
    np.testing.assert_array_equal(pixels, np.where(small() > 127, 255, 0))


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(width: int, height: int, depth: int, colour: int, content: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(content))
        + chunk(b"IEND", b"")
    )


def as_bytes(picture: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form)
    return stream.getvalue()


ROWS = (b"\0" + bytes(2 * 3 * 28)) * 28
CMYK = as_bytes(photo(60, 80).convert("CMYK"), "JPEG")
DEEP_GREY = as_bytes(Image.fromarray(small().astype(np.uint16) * 257), "PNG")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
PNG, JPEG = as_bytes(NOISE, "PNG"), as_bytes(NOISE, "JPEG")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "received an empty file", id="empty"),
        pytest.param(b"not an image", "BMP, or an IDX file of images, received none", id="text"),
        pytest.param(as_bytes(NOISE, "TIFF"), "received TIFF; convert it to PNG", id="TIFF"),
        pytest.param(CMYK, "expected grey or RGB, with or without tran.*received CMYK", id="CMYK"),
        pytest.param(DEEP_GREY, "received 16 bits per channel", id="16-bit grey"),
        pytest.param(png(28, 28, 16, 2, ROWS), "received 16 bits per channel", id="16-bit RGB"),
        pytest.param(PNG[: len(PNG) // 2], "expected a whole image", id="half a PNG"),
        pytest.param(PNG[:20] + b"!" + PNG[21:], "received a damaged one", id="PNG, other header"),
        pytest.param(JPEG[: len(JPEG) // 2], "expected a whole image", id="half a JPEG"),
        pytest.param(
            png(10_000, 6_000, 1, 0, b""),
            "at most 50,000,000 pixels, received 10,000×6,000",
            id="60 megapixels, refused before any pixel is read: there are none",
        ),
        pytest.param(
            png(12_000, 12_000, 1, 0, b""), "received 12,000×12,000", id="Pillow would warn"
        ),
        pytest.param(png(60_000, 60_000, 1, 0, b""), "3600000000 pixels", id="Pillow would refuse"),
        pytest.param(png(49_999_999, 1, 8, 0, b""), "received 49,999,999×1; cut it", id="one row"),
        pytest.param(png(1, 20_000_000, 8, 0, b""), "received 1×20,000,000; cut", id="one column"),
        pytest.param(png(20_001, 2_000, 8, 0, b""), "sides of at most 20,000 pixels", id="a side"),
        pytest.param(png(29, 1, 8, 0, b""), "at most 28 times the shorter", id="a ratio"),
        pytest.param(JPEG + 201 * b"\xff\xda", "at most 200 scans", id="a JPEG of many scans"),
    ],
)
def test_what_is_no_such_image_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as refused:
        read_pictures(path)
    assert str(refused.value).startswith(f"{path}: expected")
    assert "\n" not in str(refused.value)


def test_what_is_no_file_is_refused_by_name(tmp_path):
    for path in (tmp_path / "nowhere.png", tmp_path, Path("nu\0ll.png")):
        with pytest.raises(DataError, match=r"expected a.* image file, received"):
            read_pictures(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_large_photo_gives_what_a_small_one_gives(saved, mode):
    small_one = photo(600, 800).convert(mode)
    large_one = small_one.resize((3_600, 4_800), Image.Resampling.NEAREST)
    noted = Image.Exif()
    noted[0x0112] = 6
    expected, _ = read(saved(small_one, exif=noted))
    pixels, prepared = read(saved(large_one, "large.png", exif=noted))
    assert prepared.replace("grey, ", "") == "rotated, trimmed, scaled from 4800×3600, inverted"
    np.testing.assert_allclose(pixels.astype(int), expected, atol=6)


READ_IN_LITTLE = """
import resource, sys
from pathlib import Path
from fashion_dropout.errors import DataError
from fashion_dropout.prediction.pictures import read_pictures
read_pictures(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
prepared = read_pictures(Path(sys.argv[2])).prepared
mebibytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, -1))
try:
    read_pictures(Path(sys.argv[2]))
except DataError as error:
    print(mebibytes, prepared, error, sep="|")
"""


@pytest.mark.slow  # a process that decodes 50 million pixels
def test_the_largest_picture_needs_little_memory_and_with_less_it_is_refused(saved):
    picture = Image.new("RGBA", (7_000, 7_000), (9, 9, 9, 128))
    picture.paste((9, 9, 9, 255), (1_000, 1_000, 3_000, 6_000))
    largest = saved(picture, "largest.png")
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_LITTLE, str(saved(small())), str(largest)],
        capture_output=True,
        text=True,
        check=True,
    )
    mebibytes, prepared, error = done.stdout.strip().split("|")
    assert prepared == "flattened onto white, grey, trimmed, scaled from 7000×7000, inverted"
    assert int(mebibytes) < 400  # 187 of them for the picture itself
    assert error.startswith(f"{largest}: expected an image that fits into memory")


def test_a_name_that_is_not_unicode_can_be_printed(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    Image.fromarray(small()).save(path)
    read_pictures(path).file.encode()


@pytest.fixture(scope="module")
def damaged_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "picture"


@given(content=st.sampled_from([PNG, JPEG]), data=st.data())
def test_a_damaged_image_is_read_or_refused_and_nothing_else(damaged_file, content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged_file.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    try:
        read(damaged_file)
    except DataError as error:
        assert "\n" not in str(error)


def idx(*shape: int, magic: int = 0x00000803, values: int | None = None) -> bytes:
    count = int(np.prod(shape, dtype=np.int64)) if values is None else values
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + bytes(i % 256 for i in range(count))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_idx_file_is_read_as_it_is(tmp_path, pack):
    path = tmp_path / "some-images"
    path.write_bytes(pack(idx(3, 28, 28)))
    for invert in ("auto", "no", "yes"):
        pictures = read_pictures(path, invert)
        values = (np.arange(3 * 784) % 256).astype(np.uint8).reshape(3, 28, 28, 1)
        assert pictures.images.dtype == np.uint8
        np.testing.assert_array_equal(pictures.images, 255 - values if invert == "yes" else values)
        assert pictures.prepared == ("inverted" if invert == "yes" else "unchanged")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(50, magic=0x00000801), "expected IDX magic number 0x00000803.*received 0x00000801"),
        (idx(2, 32, 28), "images of 28×28, received 2 of 32×28"),
        (idx(0, 28, 28), "received 0 of 28×28"),
        (idx(2**32 - 1, 28, 28, values=5), "received 4,294,967,295 of 28×28"),
        (idx(2, 28, 28, values=1567), "expected 1,568 values, received 1,567"),
        (idx(2, 28, 28, values=1569), "expected 1,568 values, received more"),
        (idx(2, 28, 28)[:9], "expected an IDX header of 16 bytes, received 9"),
    ],
)
def test_an_idx_file_that_is_not_as_expected_is_refused(tmp_path, pack, content, message):
    path = tmp_path / "images"
    path.write_bytes(pack(content))
    with pytest.raises(DataError, match=message) as refused:
        read_pictures(path)
    assert str(refused.value).startswith(f"{path}: expected")


def test_a_gzip_file_is_unpacked_as_far_as_its_header_says_and_no_farther(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(2, 28, 28, values=0) + bytes(2**27), 1))
    assert path.stat().st_size < 2**21
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="received more"):
            read_pictures(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_truncated_gzip_file_is_refused(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx(9, 28, 28))[:-9])
    with pytest.raises(DataError, match="expected a whole gzip file"):
        read_pictures(path)


@pytest.mark.real_data
def test_the_background_of_real_images_and_of_their_negatives_is_recognized(data_dir):
    """All 70,000 of both are measured by benchmarks/predict.py."""
    images = FashionMnist(data_dir).test().images[:2_000, ..., 0]
    assert not any(is_light(Image.fromarray(image)) for image in images)
    assert all(is_light(Image.fromarray(255 - image)) for image in images)


@pytest.mark.parametrize("width", [160, 4_000])
def test_exif_that_nobody_can_read_is_no_damage(saved, width):
    height, box = width * 3 // 4, (width // 4, width // 4, width // 2, width // 2)
    picture = photo(width, height, box)
    plain, prepared = read(saved(picture, "plain.jpg", dpi=(72, 72)))
    broken = saved(picture, "broken.jpg", dpi=(72, 72), exif=b"Exif\0\0nonsense")
    pixels, said = read(broken)
    np.testing.assert_array_equal(pixels, plain)
    assert said == prepared
