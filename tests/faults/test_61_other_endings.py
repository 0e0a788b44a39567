"""Row 61: pictures are known by their content, and what is left out of a folder is counted."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import clean_environment
from fashion_dropout.cli import main
from fashion_dropout.errors import DataError
from fashion_dropout.prediction.pictures import image_files, read_pictures
from faulty import obeying_rights

FORMS = {"jfif": "JPEG", "webp": "WEBP", "avif": "AVIF", "gif": "GIF", "bmp": "BMP", "": "PNG"}
HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(500)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as phones, browsers and file managers leave it: one picture in many formats."""
    folder = tmp_path / "photos"
    (folder / "older").mkdir(parents=True)
    picture = Image.new("L", (28, 28))
    picture.paste(200, (8, 4, 20, 24))
    for ending, form in FORMS.items():
        picture.save(folder / f"item.{ending}".rstrip("."), form)
    (folder / "phone.HEIC").write_bytes(HEIC)
    (folder / "notes.txt").write_text("BM is how some texts begin")
    (folder / "empty").touch()
    (folder / ".DS_Store").write_text("hidden")
    return folder


def test_what_pillow_reads_is_read_whatever_its_name(folder):
    said: list[str] = []
    files = image_files(folder, said.append)
    assert {path.name for path in files} == {path.name for path in folder.glob("item*")} | {
        "phone.HEIC"
    }
    assert said == [f"{folder}: 3 of 10 left out, which are no images: empty, notes.txt, older"]
    for path in folder.glob("item*"):
        grey = read_pictures(path).images[0, ..., 0].astype(int)
        assert abs(grey[14, 14] - 200) < 12, path
        assert grey[0, 0] < 12, path
    with pytest.raises(DataError, match="received HEIC; convert it to PNG or JPEG first"):
        read_pictures(folder / "phone.HEIC")


LIST = """
import sys
from pathlib import Path
from fashion_dropout.prediction.pictures import image_files
print(*(path.name for path in image_files(Path(sys.argv[1]), print)), sep="\\n")
"""


@pytest.mark.slow  # a process of another user
def test_a_picture_that_may_not_be_read_is_not_called_no_image(folder):
    (folder / "item.webp").chmod(0)
    done = subprocess.run(
        [*obeying_rights(), sys.executable, "-c", LIST, str(folder)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    note, *files = done.stdout.splitlines()
    assert note.endswith("3 of 10 left out, which are no images: empty, notes.txt, older")
    assert "item.webp" in files


def test_many_that_are_left_out_are_counted_and_some_named(folder):
    for number in range(1, 8):
        (folder / f"{number}.txt").touch()
    said: list[str] = []
    image_files(folder, said.append)
    assert said == [f"{folder}: 10 of 17 left out, which are no images: 1.txt, 2.txt, 3.txt, …"]


def test_the_first_of_several_frames_is_read(tmp_path):
    frames = [Image.fromarray(np.full((28, 28), value, np.uint8)) for value in (0, 90)]
    for frame in frames:
        frame.paste(250, (9, 9, 19, 19))
    for form in ("GIF", "WEBP", "PNG"):
        path = tmp_path / f"moving.{form}"
        frames[0].save(path, form, save_all=True, append_images=frames[1:])
        pictures = read_pictures(path)
        assert pictures.prepared.startswith("first of several frames")
        assert pictures.images[0, 0, 0, 0] < 5


@pytest.mark.parametrize(
    "form",
    ["GIF", "BMP", *(pytest.param(form, marks=pytest.mark.slow) for form in ("WEBP", "AVIF"))],
)
def test_a_size_is_refused_before_anything_is_decoded(tmp_path, form):
    path = tmp_path / "large"
    Image.new("1" if form == "BMP" else "L", (8_000, 7_000)).save(path, form)
    with pytest.raises(DataError, match="expected at most 50,000,000 pixels"):
        read_pictures(path)


def test_the_command_counts_the_rest_on_standard_error(workdir, capsys):
    photos = workdir / "photos"
    photos.mkdir()
    (photos / "phone.HEIC").write_bytes(HEIC)
    (photos / "notes.txt").write_text("BM is how some texts begin")
    (workdir / "model.keras").touch()
    with pytest.raises(SystemExit) as ended:
        main(["predict", "photos", "--model", "model.keras"])
    assert ended.value.code == 1  # for the HEIC file
    said = capsys.readouterr()
    assert said.out == ""
    note, error = said.err.splitlines()
    assert note == "Note: photos: 1 of 2 left out, which are no images: notes.txt"
    assert error.startswith("Error: photos/phone.HEIC: expected PNG, ")
