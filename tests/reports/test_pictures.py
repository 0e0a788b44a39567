from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from comparison.records import make_record
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.reports.pictures import DPI, Picture, draw, picture

LINK = "{http://www.w3.org/1999/xlink}href"


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    record = make_record()
    return draw(record, record.compare(), "ja")


def test_both_files_of_a_figure_have_its_shape(pictures):
    for one in pictures.values():
        with Image.open(io.BytesIO(one.png)) as image:
            assert (image.format, image.mode) == ("PNG", "P")
            assert image.width * 96 == pytest.approx(one.width * DPI, rel=0.01)
            assert image.height * 96 == pytest.approx(one.height * DPI, rel=0.01)
        root = ET.fromstring(one.svg)
        left, top, width, height = (float(side) for side in root.attrib["viewBox"].split())
        assert (left, top) == (0, 0)
        assert width / height == pytest.approx(one.width / one.height, rel=0.01)


def test_a_drawing_keeps_its_words_and_loads_nothing(pictures):
    for name, one in pictures.items():
        root = ET.fromstring(one.svg)
        texts = [element for element in root.iter() if element.tag.endswith("}text")]
        assert any(
            "シード" in (text.text or "") or "ペア" in (text.text or "") for text in texts
        ), name
        assert not [element for element in root.iter() if element.tag.endswith("}script")]
        links = [element.attrib[LINK] for element in root.iter() if LINK in element.attrib]
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_a_figure_of_many_lines_is_drawn_as_png_alone():
    def drawn(points: int) -> Picture:
        figure = Figure(figsize=(6.4, 4))
        figure.subplots().add_collection(LineCollection([np.zeros((points, 2))]))
        return picture(figure)

    assert drawn(30_000).svg is not None
    many = drawn(30_001)
    assert many.svg is None
    assert many.uri.startswith("data:image/png;base64,")


def test_the_same_study_gives_the_same_files(pictures):
    record = make_record()
    figures = dict(study_figures(record, record.compare(), "ja"))
    for name in ("study_curves", "disagreements"):
        assert picture(figures[name]) == pictures[name]


@pytest.mark.slow
def test_every_file_of_the_same_study_is_the_same(pictures):
    record = make_record()
    assert draw(record, record.compare(), "ja") == pictures


@pytest.mark.parametrize(("png", "svg", "kind"), [(b"12", b"1", "svg+xml"), (b"1", b"12", "png")])
def test_a_report_takes_the_smaller_file(png, svg, kind):
    shown = Picture(png, svg, 1, 1).uri
    assert shown == f"data:image/{kind};base64,{base64.b64encode(b'1').decode()}"


def test_a_name_in_a_script_that_no_font_has_is_drawn_without_a_word():
    """A warning would fail this test."""
    figure = Figure(figsize=(3, 2))
    figure.suptitle("한국어")
    assert picture(figure).png.startswith(b"\x89PNG")
