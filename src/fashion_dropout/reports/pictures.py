"""Figures as files: PNG for MLflow and the repository, PNG or SVG for the report."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.drawing import fixed_settings
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.texts import Language

DPI = 140
"""Of the PNG files: 6.4 inches become 896 pixels, sharp at the 720 of the report's column."""

_SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "fashion-dropout"}
"""Text stays text, in the reader's fonts; the same figure always gives the same file."""

_PAPER: Any = {**_SVG, "svg.fonttype": "path", "pdf.fonttype": 42}
"""Of figures for a paper: text looks the same everywhere, and no font is of Type 3."""

_MOST_POINTS = 30_000
"""On the thin lines of seeds. So many take more than 500 kB as SVG; a PNG file has less."""


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn.

    Attributes:
        png: As a PNG file.
        svg: As an SVG file; None if it has so many lines that the PNG file is smaller.
        width, height: Of both, in pixels of a screen.
    """

    png: bytes
    svg: bytes | None
    width: int
    height: int

    @cached_property
    def uri(self) -> str:
        """The smaller of the two files, as a ``data:`` URI."""
        if self.svg is not None and len(self.svg) <= len(self.png):
            return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def draw(record: StudyRecord, comparison: Comparison, language: Language) -> dict[str, Picture]:
    """Every figure of a study, by name (see `figures.study_figures`)."""
    return {name: picture(figure) for name, figure in study_figures(record, comparison, language)}


def picture(figure: Figure) -> Picture:
    """A figure as PNG, and as SVG if that can be smaller.

    Each is drawn once; `Figure.savefig` draws twice, the first time to lay the figure out.
    """
    own = figure.dpi
    with fixed_settings():
        figure.set_dpi(DPI)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        image = Image.fromarray(np.asarray(pixels))
    figure.set_dpi(own)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    lines = figure.findobj(LineCollection)
    points = sum(len(path) for line in lines for path in line.get_paths())
    svg = _svg(figure, _SVG) if points <= _MOST_POINTS else None
    return Picture(_png(image), svg, width, height)


def _png(image: Image.Image) -> bytes:
    """A PNG file in 256 colours: a third of the size, and no difference to the eye."""
    png = BytesIO()
    palette = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    palette.save(png, "png", compress_level=8)  # 9: 1 % less, 2.6 times as long
    return png.getvalue()


def _svg(figure: Figure, settings: Any) -> bytes:
    svg = BytesIO()
    figure.set_layout_engine("none")  # as it was laid out for the other file
    with fixed_settings(settings):
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            svg, metadata={"Date": None, "Creator": None}
        )
    return svg.getvalue()


def for_paper(figure: Figure) -> dict[str, bytes]:
    """A figure as vector graphics, ``pdf`` and ``svg``; the same figure gives the same bytes."""
    pdf = BytesIO()
    with fixed_settings(_PAPER):
        FigureCanvasPdf(figure).print_pdf(  # type: ignore[no-untyped-call]
            pdf, metadata={"Creator": None, "Producer": None, "CreationDate": None}
        )
    return {"pdf": pdf.getvalue(), "svg": _svg(figure, _PAPER)}
