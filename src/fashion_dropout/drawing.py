"""The settings that all figures are drawn and stored with, whatever a matplotlibrc says."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def fonts_for(names: Iterable[str]) -> dict[str, Any]:
    """Settings with a font that has Japanese glyphs, if names need more than ASCII."""
    return {} if all(name.isascii() for name in names) else japanese_font()


def japanese_font() -> dict[str, Any]:
    """Settings with a font that has Japanese glyphs."""
    import matplotlib as mpl

    with mpl.rc_context():  # the import makes its font the default, which is undone here
        import matplotlib_fontja  # noqa: F401
    return {"font.family": ["DejaVu Sans", "IPAexGothic"]}  # the second where the first lacks one


@contextmanager
def fixed_settings(changed: Any = None) -> Iterator[None]:
    """While this is open, Matplotlib has its own defaults, and those settings that are `changed`.

    A user's file could ask for LaTeX, cut off margins, or change sizes and colours.
    """
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A name in a script that no font here has.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams["text.parse_math"] = False  # a name with two $ is no formula
        mpl.rcParams.update(changed or {})
        yield
