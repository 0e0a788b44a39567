"""What a model must show before it becomes the champion, as a TOML file declares it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fashion_dropout.declaration import check_known, first_of, read_toml
from fashion_dropout.errors import UsageError


class Floors(BaseModel):
    """What every champion must reach on the validation images, whatever the champion before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    accuracy: float = Field(ge=0, le=1)
    """At least this share of the images is classified rightly."""
    calibration_error: float = Field(ge=0, le=1)
    """Confidence and accuracy lie at most this far apart, averaged over 15 bins."""
    worst_class_recall: float = Field(ge=0, le=1)
    """Of each class at least this share is found."""


class AgainstChampion(BaseModel):
    """What a challenger must show beside the present champion, on the same validation images."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    non_inferiority_margin: float = Field(gt=0, lt=1)
    """The interval of the accuracy difference must lie above minus this."""
    smallest_improvement: float = Field(gt=0, lt=1)
    """The accuracy difference itself must be at least this; a tie changes nothing."""
    alpha: float = Field(gt=0, lt=1)
    """McNemar's p at which the difference counts as shown."""
    mcnemar: Literal["reported", "required"]
    """Whether the difference must be shown, or McNemar's p is only written down."""


class Policy(BaseModel):
    """The promotion gate."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    largest_drift: float = Field(ge=0, lt=1)
    """How far a repeated prediction may lie from the recorded one; 0: the same to the bit."""
    floors: Floors
    against_champion: AgainstChampion


def read_policy(path: Path) -> Policy:
    """The gate that a TOML file declares.

    Raises:
        UsageError: The file is missing, is not TOML, or declares no gate; one line, with a
            suggestion for a misspelt name.
    """
    declared = read_toml(path, "a promotion file")
    try:
        _check(declared)
        return Policy.model_validate(declared)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {first_of(error)}") from error


def _check(declared: dict[str, Any]) -> None:
    check_known(declared, Policy.model_fields, "key")
    for name, fields in {
        "floors": Floors.model_fields,
        "against_champion": AgainstChampion.model_fields,
    }.items():
        if isinstance(table := declared.get(name), dict):
            check_known(table, fields, f"key of [{name}]")
