"""The metrics of runs and of pairs: one table, in which all else looks up what a metric is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher"]
"""Which values of a metric are better."""

GAIN: Mapping[Direction, int] = {"lower": -1, "higher": 1}
"""The sign of a difference for the better."""


@dataclass(frozen=True)
class Metric:
    """What a metric is.

    Attributes:
        direction: Whether lower or higher values are better; None if no study compares the metric.
        split: The images that it is measured on; None if on none. A gap is of validation images.
        when: Of each ``epoch``, of the ``best`` one, at the ``end`` of a run, or of a ``pair``.
        unit: The key of its unit in ``plots.units`` of the texts.
        smallest: No value is below.
        described: Values lie near a bound, as a number of epochs that a run has trained at most:
            it is described, without an interval and without a test.
        chart: The section of MLflow's chart page, and the place in it; None without a chart.
    """

    direction: Direction | None
    split: Literal["training", "validation", "test"] | None
    when: Literal["epoch", "best", "end", "pair"]
    unit: Literal["loss", "accuracy", "ece", "f1_macro", "epochs", "other"] = "other"
    smallest: float = 0.0
    described: bool = False
    chart: tuple[Literal["curves", "end", "training"], int] | None = None

    @property
    def largest(self) -> float:
        """No value is above."""
        return 1.0 if self.unit in ("accuracy", "ece", "f1_macro") else math.inf

    @property
    def decimals(self) -> int:
        """How many are shown."""
        return 1 if self.unit == "epochs" else 4


METRICS: Mapping[str, Metric] = {
    "gap/loss": Metric("lower", "validation", "epoch", "loss", -math.inf, chart=("curves", 1)),
    "gap/accuracy": Metric("lower", "validation", "epoch", "accuracy", -1.0, chart=("curves", 6)),
    "val_rebound": Metric("lower", "validation", "end", "loss", chart=("end", 5)),
    "val/loss": Metric("lower", "validation", "epoch", "loss", chart=("curves", 2)),
    "val/accuracy": Metric("higher", "validation", "epoch", "accuracy", chart=("curves", 4)),
    "best/val_loss": Metric("lower", "validation", "best", "loss", chart=("end", 6)),
    "best/val_accuracy": Metric("higher", "validation", "best", "accuracy", chart=("end", 7)),
    "train/loss": Metric("lower", "training", "epoch", "loss", chart=("curves", 3)),
    "train/accuracy": Metric("higher", "training", "epoch", "accuracy", chart=("curves", 5)),
    "test/accuracy": Metric("higher", "test", "end", "accuracy", chart=("end", 1)),
    "test/nll": Metric("lower", "test", "end", "loss", chart=("end", 2)),
    "test/ece": Metric("lower", "test", "end", "ece", chart=("end", 3)),
    "test/f1_macro": Metric("higher", "test", "end", "f1_macro", chart=("end", 4)),
    "val/loss_over_equal_fit": Metric("lower", "validation", "pair", "loss"),
    "val/loss_at_equal_fit": Metric("lower", "validation", "pair", "loss"),
    "epochs_to_equal_fit": Metric("lower", "training", "pair", "epochs", described=True),
    "best/epoch": Metric(None, "validation", "best", "epochs", chart=("end", 8)),
    "speed/images_per_second": Metric(None, None, "epoch", chart=("training", 1)),
    "learning_rate": Metric(None, None, "epoch", chart=("training", 2)),
}
"""Name → metric. Those that a study can compare come first."""

COMPARED: Mapping[str, Direction] = {
    name: metric.direction for name, metric in METRICS.items() if metric.direction
}
"""Every metric that a study can compare, and which of its values are better."""

GUARDS = tuple(name for name in COMPARED if METRICS[name].split == "validation")
"""Those that a guard can be set on: never of the test set, which decides nothing."""


_OTHER = Metric(None, None, "end", smallest=-math.inf)


def of(name: str) -> Metric:
    """A metric; one that is not in the table has no bounds."""
    return METRICS.get(name, _OTHER)


def described(name: str) -> bool:
    """Whether a metric is described only, without an interval and without a test."""
    return of(name).described


def of_pairs(name: str) -> bool:
    """Whether only a pair of runs has a metric; see `comparison.equal_fit`."""
    return of(name).when == "pair"


def charted(section: str) -> tuple[str, ...]:
    """The metrics of a section of MLflow's chart page, in their order."""
    placed = {metric.chart[1]: name for name, metric in METRICS.items()
              if metric.chart and metric.chart[0] == section}  # fmt: skip
    return tuple(placed[place] for place in sorted(placed))
