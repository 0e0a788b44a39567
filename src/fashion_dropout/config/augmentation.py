"""What can be done to the training images, and by how much; `learning.augmentation` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

_NONE = "none"


@dataclass(frozen=True)
class Amount:
    """How much of an augmentation there can be.

    Attributes:
        default: What its name alone means.
        smallest: The smallest amount; it is whole where only whole numbers count.
        largest: The largest one.
        unit: What is counted.
    """

    default: float
    smallest: float
    largest: float
    unit: str


AMOUNTS: Mapping[str, Amount] = {
    "flip": Amount(0.5, 0.01, 1.0, "of the images"),
    "shift": Amount(2, 1, 27, "pixels"),
    "rotate": Amount(10.0, 0.1, 180.0, "degrees"),
    "erase": Amount(8, 1, 27, "pixels"),
    "mixup": Amount(0.2, 0.01, 10.0, "of a beta distribution"),
}
"""Name → amounts, in the order in which they are applied."""

EXPECTED = f"{_NONE}, or names joined by +, with or without an amount: " + ", ".join(
    f"{name}:{amount.default:g} ({amount.smallest:g} to {amount.largest:g} {amount.unit})"
    for name, amount in AMOUNTS.items()
)


def amounts(augment: str) -> dict[str, float]:
    """Name → amount of each augmentation, in the order in which they are applied.

    Args:
        augment: As people write it: ``none``, ``flip``, ``flip+shift:3``, …

    Raises:
        ValueError: A name is unknown or doubled, or an amount impossible; see `EXPECTED`.
    """
    if augment.strip() == _NONE:
        return {}
    found: dict[str, float] = {}
    for part in augment.split("+"):
        name, colon, text = (word.strip() for word in part.partition(":"))
        if name not in AMOUNTS or name in found:
            raise ValueError(EXPECTED)
        found[name] = _amount(AMOUNTS[name], text) if colon else AMOUNTS[name].default
    return {name: found[name] for name in AMOUNTS if name in found}


def _amount(of: Amount, text: str) -> float:
    number = float(text)
    whole = isinstance(of.smallest, int)
    if not of.smallest <= number <= of.largest or (whole and number != int(number)):
        raise ValueError(EXPECTED)
    return number


def _in_one_form(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = [
        name if amount == AMOUNTS[name].default else f"{name}:{amount:.12g}"
        for name, amount in amounts(value).items()
    ]
    return "+".join(parts) or _NONE


Augment = Annotated[str, BeforeValidator(_in_one_form)]
"""What is done to the training images: in order, without amounts that a name alone means."""
