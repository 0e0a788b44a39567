"""Figures as files: PNG for MLflow and the repository, PNG or SVG for the report."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.verdict import Comparison
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.texts import Language

DPI = 140
"""Of the PNG files: 6.4 inches become 896 pixels, sharp at the 720 of the report's column."""

_SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "fashion-dropout"}
"""Text stays text, in the reader's fonts; the same figure always gives the same file."""


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn.

    Attributes:
        png: As a PNG file.
        svg: As an SVG file.
        width: Of both, in pixels of a screen.
        height: Of both, in pixels of a screen.
    """

    png: bytes
    svg: bytes
    width: int
    height: int

    @cached_property
    def uri(self) -> str:
        """The smaller of the two files, as a ``data:`` URI."""
        kind, content = min(
            (("svg+xml", self.svg), ("png", self.png)), key=lambda pair: len(pair[1])
        )
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def draw(record: StudyRecord, comparison: Comparison, language: Language) -> dict[str, Picture]:
    """Every figure of a study, by name (see `figures.study_figures`)."""
    return {name: picture(figure) for name, figure in study_figures(record, comparison, language)}


def picture(figure: Figure) -> Picture:
    """A figure in both formats."""
    png, svg = BytesIO(), BytesIO()
    figure.savefig(png, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
    figure.set_layout_engine("none")  # as it was laid out for the first file
    with mpl.rc_context(_SVG):
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Picture(_smaller(png), svg.getvalue(), width, height)


def _smaller(png: BytesIO) -> bytes:
    """A PNG file in 256 colours: a third of the size, and no difference to the eye."""
    smaller = BytesIO()
    with Image.open(png) as image:
        palette = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    palette.save(smaller, "png", optimize=True)
    return smaller.getvalue()
