"""From recorded numbers to figures and verdicts: never Keras, never MLflow.

For programs of others there are three names here: `read_table` reads a table of values, `judge`
compares its regimes and decides, and `Judged` is what comes out. They are imported when they are
asked for, because pandas and SciPy take longer than many commands.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_dropout.comparison.judging import Judged, judge
    from fashion_dropout.comparison.tables import Table, read_table

__all__ = ["Judged", "Table", "judge", "read_table"]

_HOMES = {"Judged": "judging", "judge": "judging", "Table": "tables", "read_table": "tables"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
