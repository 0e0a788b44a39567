"""Python's garbage collector, which finds next to nothing here and takes its time.

TensorFlow, Keras and MLflow leave half a million objects when they are imported, and all of them
stay. With Python's own settings the collector goes through them a thousand times meanwhile, which
is a fifth of the time of the imports, and once more after each cell of a study.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_seldom() -> None:
    """Let the collector of this process begin at 50,000 new objects, not at 700."""
    gc.set_threshold(50_000, 50, 100)


@contextmanager
def importing() -> Iterator[None]:
    """While this is open, nothing is collected; what is there at its end never will be."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
