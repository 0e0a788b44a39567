"""The decision rule of a study, and the metrics that it can be about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["lower", "higher"]
"""Which values of a metric are better."""

METRICS: Mapping[str, Direction] = {
    "gap/loss": "lower",
    "gap/accuracy": "lower",
    "val_rebound": "lower",
    "val/loss": "lower",
    "val/accuracy": "higher",
    "best/val_loss": "lower",
    "best/val_accuracy": "higher",
    "train/loss": "lower",
    "train/accuracy": "higher",
    "test/accuracy": "higher",
    "test/nll": "lower",
    "test/ece": "lower",
    "test/f1_macro": "higher",
}
"""The metrics of a finished run that a study can compare, and which values of each are better."""


class Decision(BaseModel):
    """The decision rule: declared before the study runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    primary: str
    direction: Direction
    smallest_difference: float = Field(gt=0)
    alpha: float = Field(gt=0, lt=1)
    baseline: str
    secondary: tuple[str, ...] = (
        "val_rebound",
        "val/loss",
        "val/accuracy",
        "train/loss",
        "test/accuracy",
        "test/nll",
        "test/ece",
    )


class Promotion(BaseModel):
    """Which regime's model becomes a candidate for the registry when the verdict names none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    undecided: str = "simpler"
    """``simpler``: the regime of the lowest dropout rate; ``nothing``; or the name of a regime."""
