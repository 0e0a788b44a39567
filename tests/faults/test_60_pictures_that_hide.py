"""Row 60: a white item on a transparent background is shown, and a picture of nothing refused."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fashion_dropout.cli import main
from fashion_dropout.errors import DataError
from fashion_dropout.prediction.pictures import read_pictures

WHITE, BLACK, CLEAR = (255, 255, 255, 255), (0, 0, 0, 255), (0, 0, 0, 0)


def cut_out(path: Path, colour, background=CLEAR, size=(300, 400)) -> Path:
    """An item in one colour, 40 % of the width, on a background that is transparent."""
    picture = Image.new("RGBA", size, background)
    width, height = size
    box = (width * 3 // 10, height // 10, width * 7 // 10 - 1, height * 9 // 10 - 1)
    ImageDraw.Draw(picture).rectangle(box, fill=colour)
    picture.save(path)
    return path


@pytest.mark.parametrize("size", [(300, 400), (28, 28)])
@pytest.mark.parametrize("background", [CLEAR, (255, 255, 255, 0), (255, 255, 255, 3)])
@pytest.mark.parametrize(
    ("colour", "laid"),
    [(WHITE, "black"), ((240, 240, 240, 255), "black"), ((200, 200, 200, 255), "white"),
     (BLACK, "white"), ((0, 0, 0, 90), "white"), ((255, 255, 255, 90), "black")],
)  # fmt: skip
def test_an_item_is_laid_on_the_colour_that_shows_it(tmp_path, colour, laid, background, size):
    if colour[3] < 128 and background[3]:
        pytest.skip("nothing is solid: item and noise are one")
    pictures = read_pictures(cut_out(tmp_path / "item.png", colour, background, size))
    assert f"flattened onto {laid}" in pictures.prepared
    grey = pictures.images[0, ..., 0]
    contrast = colour[3] * (colour[0] if laid == "black" else 255 - colour[0]) / 255
    assert grey[14, 14] == pytest.approx(contrast, abs=4)
    assert grey[0, 0] <= 4  # a dark background, as the dataset has it


def test_a_white_item_with_a_dark_print_is_not_only_its_print(tmp_path):
    path = cut_out(tmp_path / "shirt.png", WHITE)
    with Image.open(path) as picture:
        ImageDraw.Draw(picture).rectangle((130, 150, 170, 200), fill=BLACK)
        picture.save(path)
    grey = read_pictures(path).images[0, ..., 0]
    assert (grey > 250).sum() > 200


BLANK = {
    "white": Image.new("RGB", (300, 200), "white"),
    "black, of the dataset's size": Image.new("L", (28, 28)),
    "grey with little noise": Image.fromarray(
        np.random.default_rng(0).integers(120, 128, (200, 200), dtype=np.uint8)
    ),
    "wholly transparent": Image.new("RGBA", (90, 90), (9, 200, 30, 0)),
    "two colours of one grey": None,
}


def blank(name: str) -> Image.Image:
    if picture := BLANK[name]:
        return picture
    picture = Image.new("RGB", (100, 100), (255, 0, 0))  # both have the grey value 76
    picture.paste((0, 129, 0), (30, 30, 70, 70))
    return picture


@pytest.mark.parametrize("name", BLANK)
@pytest.mark.parametrize("invert", ["auto", "yes", "no"])
def test_a_picture_of_nothing_is_refused(tmp_path, name, invert):
    blank(name).save(tmp_path / "nothing.png")
    with pytest.raises(DataError, match="expected an image that shows something"):
        read_pictures(tmp_path / "nothing.png", invert)


def test_the_command_says_so_in_one_line_before_it_looks_for_a_model(workdir, capsys):
    blank("white").save("nothing.png")
    image = struct.pack(">4I", 0x00000803, 1, 28, 28) + bytes(784)
    Path("nothing-idx3-ubyte").write_bytes(image)
    model = BytesIO()
    blank("white").save(model, "PNG")
    Path("model.keras").write_bytes(model.getvalue())
    with pytest.raises(SystemExit) as ended:
        main(["predict", "nothing.png", "nothing-idx3-ubyte", "--model", "model.keras"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(", received")[0] for line in said.err.splitlines()] == [
        "Error: nothing.png: expected an image that shows something",
        "Error: nothing-idx3-ubyte: expected an image that shows something",
    ]
