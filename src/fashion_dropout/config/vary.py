"""What a seed decides: the sources of randomness that move with it from run to run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from fashion_dropout.config.toml import suggestion

Source = Literal["init", "order", "masks", "augment", "split"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""Initial weights, order of the images, dropout masks, draws of augmentation, and the split of the
labelled images, in the order in which they are written."""

USUAL = "init+order+masks+augment"
"""What a seed decides if nothing else is said: all but the split."""

FIXED_SEED = 0
"""From what a source draws that does not move; the split has a parameter of its own for that."""

EXPECTED_SOURCES = f"names joined by +: {', '.join(SOURCES)}"


def joined(sources: Iterable[str]) -> str:
    """Sources in the one form in which they are recorded: ``init+split``."""
    named = set(sources)
    return "+".join(source for source in SOURCES if source in named)


def _in_one_form(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = [name.strip() for name in value.split("+")]
    unknown = next((name for name in names if name not in SOURCES), None)
    if unknown is not None or len(set(names)) < len(names):
        hint = suggestion(unknown, SOURCES) if unknown else ""
        context = {"expected": EXPECTED_SOURCES, "hint": hint}
        raise PydanticCustomError("vary", "expected {expected}", context)
    return joined(names)


Vary = Annotated[str, BeforeValidator(_in_one_form)]
"""What a seed decides: in order, joined by +."""
