"""The decision rule of a study: what is compared, what would matter, what must not suffer."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Annotated, Any

from pydantic import Field, model_validator

from fashion_dropout.config.metrics import COMPARED, GUARDS, METRICS, Direction
from fashion_dropout.config.toml import Declaration, check_known, suggestion
from fashion_dropout.config.values import Number
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief


class Decision(Declaration):
    """The decision rule: declared before the study runs."""

    primary: str
    """The deciding metric. It cannot be a test-set metric."""
    direction: Direction
    """Whether lower or higher values are better."""
    smallest_difference: Number = Field(gt=0)
    """The smallest difference of interest, in the metric's unit."""
    alpha: Number = Field(gt=0, lt=0.5)
    """The level of significance."""
    baseline: str
    """The regime that the others are compared with."""
    secondary: tuple[str, ...] = (
        "gap/loss",
        "val/loss_over_equal_fit",
        "val/loss_at_equal_fit",
        "epochs_to_equal_fit",
        "best/val_loss",
        "val_rebound",
        "val/loss",
        "val/accuracy",
        "train/loss",
        "test/accuracy",
        "test/nll",
        "test/ece",
    )
    """Metrics that are reported but do not decide. The default leaves the primary one out."""
    guards: dict[str, Annotated[Number, Field(gt=0)]] = Field(default={})
    """Metrics that must not get worse → the harm that would matter, in the metric's unit."""
    looks: tuple[Annotated[int, Field(ge=1, strict=True)], ...] = ()
    """Numbers of pairs after which the study ends if its verdict is decided; without it, one look
    after all pairs.
    """

    @model_validator(mode="before")
    @classmethod
    def _without_the_primary(cls, declared: Any) -> Any:
        """The default of `secondary` leaves the primary metric out."""
        if not isinstance(declared, dict) or "secondary" in declared:
            return declared
        usual = cls.model_fields["secondary"].default
        others = tuple(metric for metric in usual if metric != declared.get("primary"))
        return {**declared, "secondary": others}

    def resolved(self) -> dict[str, Any]:
        """Everything that decides the verdict, as JSON values.

        Guards and looks are left out where there are none: a study of the time before them keeps
        its key.
        """
        younger = {name for name in ("guards", "looks") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=younger)

    def parameters(self) -> dict[str, Any]:
        """What MLflow shows of the rule as parameters of the study's run."""
        guards = ", ".join(f"{metric}: {margin:g}" for metric, margin in self.guards.items())
        looks = ", ".join(map(str, self.looks))
        rest = self.model_dump(exclude={"secondary", "guards", "looks"})
        return {**rest, "guards": guards or "none", **({"looks": looks} if looks else {})}

    @property
    def spending(self) -> tuple[float, ...]:
        """How much of alpha is newly spent at each look; all of it at once without looks.

        By the look after n of N pairs α·ln(1 + (e − 1)·n/N) may be spent (Lan and DeMets 1983,
        *Discrete sequential boundaries for clinical trials*: the form near that of Pocock 1977).
        """
        if not self.looks:
            return (self.alpha,)
        spent = [
            self.alpha * math.log1p((math.e - 1) * pairs / self.looks[-1])
            for pairs in (0, *self.looks)
        ]
        return tuple(now - before for before, now in itertools.pairwise(spent))

    def direction_of(self, metric: str) -> Direction | None:
        """Which values of a metric are better; None if nobody has said it."""
        return COMPARED.get(metric)

    def check_looks(self, seeds: int, comparisons: int) -> None:
        """Refuse looks at which nothing can be decided, or that never come, where a study declares
        so many seeds and compares so many regimes with the baseline.

        Raises:
            UsageError: The looks are not increasing, too early, or more than there are seeds.
        """
        looks = ", ".join(map(brief, self.looks))
        if any(before >= after for before, after in itertools.pairwise(self.looks)):
            raise UsageError(
                f"decision.looks: expected increasing numbers of pairs, received {looks}"
            )
        if self.looks and self.looks[-1] > seeds:
            raise UsageError(
                f"decision.looks: expected at most as many pairs as there are seeds, {seeds}, "
                f"received {brief(self.looks[-1])}"
            )
        for pairs, spent in zip(self.looks, self.spending if self.looks else (), strict=True):
            needed = math.ceil(1 - math.log2(max(spent / comparisons, math.ulp(0.0))))
            if pairs < needed:
                raise UsageError(
                    f"decision.looks: expected at least {needed} pairs at a look that may spend "
                    f"{spent:.2g} of alpha"
                    + (f" on {comparisons} regimes" if comparisons > 1 else "")
                    + f", received {pairs} of {looks}: no p is below 2/2^{pairs}; leave this look "
                    "out, or look later"
                )

    def check(self) -> None:
        """Reject unknown metrics.

        Raises:
            UsageError: A metric is unknown, or cannot stand where it stands.
        """
        check_known((self.primary, *self.secondary), COMPARED, "metric of [decision]")
        if METRICS[self.primary].split == "test":
            raise UsageError(
                "decision.primary: expected a metric of training or validation images, because "
                f"the test set decides nothing; received {self.primary!r}"
            )
        if self.direction != COMPARED[self.primary]:
            raise UsageError(
                f"decision.direction: expected {COMPARED[self.primary]!r} for {self.primary}, "
                f"received {self.direction!r}"
            )
        if self.primary in self.secondary:
            raise UsageError(
                "decision.secondary: expected metrics beside the primary, received "
                f"{self.primary!r}"
            )
        for metric, times in Counter(self.secondary).items():
            if times > 1:
                raise UsageError(
                    f"decision.secondary: expected each metric once, received {metric!r} {times} "
                    "times"
                )
        for metric in self.guards:
            if metric not in GUARDS:
                raise UsageError(
                    f"decision.guards: expected metrics of the validation split "
                    f"({', '.join(GUARDS)}), because the test set decides nothing; received "
                    f"{metric!r}{suggestion(metric, GUARDS)}"
                )


class Promotion(Declaration):
    """Which regime's model becomes a candidate for the registry when the verdict names none."""

    undecided: str = "simpler"
    """What is offered when the verdict names no regime. ``simpler``: the regime of the fewest
    regularizers, then of the lowest dropout rate; ``nothing``; or the name of a regime.
    """
