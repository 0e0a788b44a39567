"""Values as people and programs write them: ``2``, ``2.0`` and ``2e0`` are one whole number."""

from __future__ import annotations

import shlex
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, visible

_MOST_DIGITS = 30
_LONGEST_NAME = 500  # MLflow's own limit


def as_meant(value: Any) -> Any:
    """A number in the form that its type takes: ``"2.0"`` and ``"2e0"`` become 2, and what is not
    exactly a whole number comes back as it is.

    Raises:
        PydanticCustomError: It is true or false, which Python would take for 1 or 0.
    """
    if isinstance(value, bool):
        raise PydanticCustomError("number", "expected a number")
    if isinstance(value, str):
        try:
            exact = Decimal(value)
        except InvalidOperation:
            return value
        if (
            exact.is_finite()
            and exact.adjusted() < _MOST_DIGITS
            and exact == exact.to_integral_value()
        ):
            return int(exact)
    return value


def plain(text: str) -> str:
    """The one form of a number that was typed: ``2`` of ``2.0``, ``0.5`` of ``0.50``.

    Args:
        text: A parameter as `mlflow run` has recorded it: as typed, and quoted for the shell where
            that needs it. What is no number is only unquoted.
    """
    meant = as_meant(unquoted(text))
    try:
        return str(meant if isinstance(meant, int) else float(meant))
    except ValueError:
        return str(meant)


def experiment_name(text: str) -> str:
    """A name that MLflow can give to an experiment and that every terminal can show.

    Raises:
        UsageError: It is none.
    """
    if not text.strip() or len(text) > _LONGEST_NAME or visible(text) != text:
        raise UsageError(
            f"expected as name of an experiment 1 to {_LONGEST_NAME} characters that can be seen, "
            f"received {brief(text)}; give another with --experiment-name or in "
            "MLFLOW_EXPERIMENT_NAME"
        )
    return text


def unquoted(text: str) -> str:
    """A text without the quotes that a shell would remove."""
    try:
        return "".join(shlex.split(text))
    except ValueError:
        return text


Whole = Annotated[int, BeforeValidator(as_meant)]
"""A whole number in a declared file or an option."""

Number = Annotated[float, BeforeValidator(as_meant)]
"""A number in a declared file or an option."""
