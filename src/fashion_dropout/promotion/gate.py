"""The checks of the promotion gate, and the paired comparison of two models that they use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fashion_dropout.comparison.bootstrap import bca_interval
from fashion_dropout.config.promotion import AgainstChampion, Floors
from fashion_dropout.texts import Count


@dataclass(frozen=True)
class Check:
    """One condition of the gate; what the policy requires and what was measured are in words."""

    name: str
    passed: bool
    expected: str
    received: str


@dataclass(frozen=True)
class PairedAccuracy:
    """The accuracy of two models on the same images.

    Attributes:
        difference: Accuracy of the challenger − accuracy of the champion.
        low, high: Its 95 % BCa bootstrap interval, images resampled.
        gained: The number of images that only the challenger classifies correctly.
        lost: The number of images that only the champion classifies correctly.
        p: McNemar's exact two-sided p-value; 1 if `gained` and `lost` are both 0.
    """

    images: int
    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p: float

    def figures(self) -> dict[str, float]:
        """All figures, under the names that MLflow shows."""
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
    """Compare the accuracy of two models on the same images.

    The interval is the BCa bootstrap interval (Efron 1987) over images, 10,000 resamples, seeded.
    McNemar's exact test (McNemar 1947) is a binomial test: of the images that exactly one of the
    two models classifies correctly, `gained` are the challenger's.

    Args:
        challenger: Whether the challenger is correct on each image, bool of shape (n,).
        champion: Whether the champion is correct on each image, bool of shape (n,).
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
    """A check for each floor: accuracy, worst_class_recall and calibration_error on the validation
    images.
    """
    checks = []
    for name in ("accuracy", "worst_class_recall", "calibration_error"):
        figure, floor = figures[name], getattr(floors, name)
        at_most = name == "calibration_error"
        passed = figure <= floor if at_most else figure >= floor
        expected = f"at {'most' if at_most else 'least'} {floor:.4f}"
        checks.append(Check(name.replace("_", " "), passed, expected, f"{figure:.4f}"))
    return checks


def champion_checks(paired: PairedAccuracy, declared: AgainstChampion) -> list[Check]:
    """The checks of a challenger against the champion on the validation images: non-inferiority,
    improvement, and McNemar's test.
    """
    interval = f"[{paired.low:+.4f}, {paired.high:+.4f}]"
    required = declared.mcnemar == "required"
    return [
        Check(
            "not inferior",
            paired.low > -declared.non_inferiority_margin,
            f"95 % CI of the accuracy difference above {-declared.non_inferiority_margin:+g}",
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
            f"p at most {declared.alpha:g}, more gained than lost" if required else "reported only",
            f"p = {paired.p:.2g} ({Count(paired.gained):image|images} gained, {paired.lost} lost)",
        ),
    ]
