"""Which parameters keep a run from overfitting, and what regimes are called after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REGULARIZERS: Mapping[str, str] = {
    "dropout": "dropout",
    "label_smoothing": "label-smoothing",
    "weight_decay": "weight-decay",
    "augment": "augment",
    "average": "ema",
    "patience": "patience",
}
"""The parameters that keep a run from overfitting → what regimes are called after them."""


def regularizers(parameters: Mapping[str, Any]) -> list[str]:
    """What regularizes a run, by the names in `REGULARIZERS`; what is not given does not."""
    return [called for name, called in REGULARIZERS.items() if is_on(parameters.get(name, 0))]


def is_on(value: Any) -> bool:
    """Whether a parameter with this value regularizes."""
    return value not in (0, "none")
