"""The promotion gate: from two models' answers to the same images to checks with figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.comparison.statistics import bca_interval
from fashion_dropout.promotion_file import AgainstChampion, Floors


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes:
        name: What is looked at.
        passed: Whether it holds.
        expected: What was declared.
        received: What was found.
    """

    name: str
    passed: bool
    expected: str
    received: str


@dataclass(frozen=True)
class PairedAccuracy:
    """Two models on the same images.

    Attributes:
        images: How many.
        difference: Accuracy of the challenger − that of the champion.
        low: Lower end of the 95 % BCa bootstrap interval of the difference, images resampled.
        high: Its upper end.
        gained: Images that only the challenger gets right.
        lost: Images that only the champion gets right.
        p: McNemar's exact two-sided p-value; 1 if there are neither.
    """

    images: int
    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p: float

    def figures(self) -> dict[str, float]:
        """All of them, under the names that MLflow shows."""
        return {
            "gate/accuracy_difference": self.difference,
            "gate/accuracy_difference/low": self.low,
            "gate/accuracy_difference/high": self.high,
            "gate/images": self.images,
            "gate/gained": self.gained,
            "gate/lost": self.lost,
            "gate/mcnemar_p": self.p,
        }


def paired_accuracy(challenger: NDArray[np.bool_], champion: NDArray[np.bool_]) -> PairedAccuracy:
    """Compare which images two models get right.

    The interval is the BCa bootstrap (Efron 1987) over images, 10,000 resamples, seeded. McNemar's
    exact test (McNemar 1947) is the binomial test of `gained` in the images on which just one of
    the two is right.

    Args:
        challenger: Whether it is right, of shape (n,).
        champion: The same of the champion, for the same images.
    """
    gains = challenger.astype(np.int8) - champion.astype(np.int8)
    gained, lost = int((gains > 0).sum()), int((gains < 0).sum())
    low, high = bca_interval(gains.astype(np.float64))
    discordant = gained + lost
    return PairedAccuracy(
        images=len(gains),
        difference=float(gains.mean()),
        low=low,
        high=high,
        gained=gained,
        lost=lost,
        p=float(stats.binomtest(gained, discordant).pvalue) if discordant else 1.0,
    )


def floor_checks(figures: Mapping[str, float], floors: Floors) -> list[Check]:
    """Hold a model's own figures against the floors.

    Args:
        figures: With the keys accuracy, calibration_error and worst_class_recall, of the
            validation images.
        floors: As declared.
    """
    least = [
        Check(
            name.replace("_", " "),
            figures[name] >= getattr(floors, name),
            f"at least {getattr(floors, name):.4f}",
            f"{figures[name]:.4f}",
        )
        for name in ("accuracy", "worst_class_recall")
    ]
    most = Check(
        "calibration error",
        figures["calibration_error"] <= floors.calibration_error,
        f"at most {floors.calibration_error:.4f}",
        f"{figures['calibration_error']:.4f}",
    )
    return [*least, most]


def champion_checks(paired: PairedAccuracy, declared: AgainstChampion) -> list[Check]:
    """Hold a challenger against the champion."""
    interval = f"[{paired.low:+.4f}, {paired.high:+.4f}]"
    required = declared.mcnemar == "required"
    return [
        Check(
            "not inferior",
            paired.low > -declared.non_inferiority_margin,
            f"95 % interval of the accuracy difference above {-declared.non_inferiority_margin:+g}",
            interval,
        ),
        Check(
            "improvement",
            paired.difference >= declared.smallest_improvement,
            f"accuracy difference of at least {declared.smallest_improvement:+g}",
            f"{paired.difference:+.4f}",
        ),
        Check(
            "McNemar test",
            not required or (paired.p <= declared.alpha and paired.gained > paired.lost),
            f"p at most {declared.alpha:g}" if required else "reported only",
            f"p = {paired.p:.2g} ({paired.gained} images gained, {paired.lost} lost)",
        ),
    ]
