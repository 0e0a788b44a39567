"""What study and promotion files share: read TOML, refuse what is not known, say so in one line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, shortened
from fashion_dropout.files import LARGEST_TEXT, beginning_of, read_file


class Declaration(BaseModel):
    """A table of such a file. The docstring of a field is its description in the reference."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """A TOML document; `what` it should be is said in errors, e.g. ``a study file``.

    Raises:
        UsageError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(read_file(path, LARGEST_TEXT).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(
            f"expected {what} {path}, received: {error.strerror}{beginning_of(path)}"
        ) from error
    except ValueError as error:  # no TOML, no UTF-8, or an integer of more than 4,300 digits
        raise UsageError(f"{path}: expected TOML, received: {error}") from error
    except RecursionError as error:
        raise UsageError(
            f"{path}: expected TOML, received tables or arrays nested too deeply"
        ) from error


def check_known(names: Iterable[str], allowed: Iterable[str], what: str) -> None:
    """Refuse the first name that is not allowed, with a suggestion; `what` says what it names.

    Raises:
        UsageError: One is not allowed.
    """
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            raise UsageError(
                f"expected a {what} ({', '.join(allowed)}), received {brief(name)}"
                f"{suggestion(name, allowed)}"
            )


def check_keys(declared: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Refuse the first key that a model, or one of its tables, does not have; see `check_known`."""
    check_known(declared, model.model_fields, "key")
    for name, field in model.model_fields.items():
        table, of = declared.get(name), field.annotation
        if isinstance(table, dict) and isinstance(of, type) and issubclass(of, BaseModel):
            check_known(table, of.model_fields, f"key of [{name}]")


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """``; did you mean …?`` for a misspelt name; empty if no allowed one is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def first_of(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"expected {place}, received nothing of that name"
    return f"{shortened(place, 100)}: {first['msg']}, received {brief(first['input'])}"
