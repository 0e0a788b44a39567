"""The policy of the promotion gate, as a TOML file declares it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from fashion_dropout.config.toml import Declaration, check_keys, first_of, read_toml
from fashion_dropout.config.values import Number
from fashion_dropout.errors import UsageError

POLICY_FILE = "experiments/promotion.toml"
"""Where a checkout has the standard conditions."""

_PACKAGED = Path(__file__).with_name("promotion.toml")
_CHECKOUT = Path(__file__).resolve().parents[3] / POLICY_FILE


class Floors(Declaration):
    """What every champion must reach on the validation images, with or without one before it."""

    accuracy: Number = Field(ge=0, le=1)
    """The smallest accuracy."""
    calibration_error: Number = Field(ge=0, le=1)
    """The largest expected calibration error, over 15 bins."""
    worst_class_recall: Number = Field(ge=0, le=1)
    """The smallest recall of any class."""


class AgainstChampion(Declaration):
    """What a challenger must show against the champion on the same validation images."""

    non_inferiority_margin: Number = Field(gt=0, lt=1)
    """The interval of the accuracy difference must be above −`non_inferiority_margin`."""
    smallest_improvement: Number = Field(gt=0, lt=1)
    """The smallest accuracy difference; with a tie the champion stays."""
    alpha: Number = Field(gt=0, lt=1)
    """The largest p-value of McNemar's test at which the difference counts as shown."""
    mcnemar: Literal["reported", "required"]
    """Whether McNemar's test must show the difference, or is only reported."""


class Policy(Declaration):
    """The policy of the promotion gate."""

    largest_drift: Number = Field(ge=0, lt=1)
    """How far a repeated probability may be from the recorded one on another kind of CPU, which
    computes with other kernels. With the kernels of the run it must have the same bits.
    """
    floors: Floors
    """What every champion must reach."""
    against_champion: AgainstChampion
    """What a challenger must show."""


def standard_policy() -> Path:
    """The file of the standard conditions: the checkout's, else the copy in the installed package.

    There is one file: the wheel is built from the checkout's.
    """
    return _CHECKOUT if _CHECKOUT.is_file() else _PACKAGED


def read_policy(path: Path) -> Policy:
    """Read the policy that a TOML file declares.

    Raises:
        UsageError: The file is missing, is not TOML, or declares no policy. The message is one
            line, with a suggestion for a misspelt name.
    """
    declared = read_toml(path, "a promotion file")
    try:
        check_keys(declared, Policy)
        return Policy.model_validate(declared)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {first_of(error)}") from error
