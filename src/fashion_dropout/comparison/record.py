"""A study as it was declared and as far as it has come: the data of its figures and its report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.equal_fit import FitCurve, at_equal_fit, fit_curve
from fashion_dropout.comparison.regimes import Comparison, Looks, compare_regimes
from fashion_dropout.comparison.statistics import Difference, paired_differences
from fashion_dropout.comparison.two_level import ImageScores, image_intervals
from fashion_dropout.config.cell import seed_and_split
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import COMPARED, GAIN, Direction, of_pairs
from fashion_dropout.config.vary import USUAL

RECALIBRATED = ("test/nll_recalibrated", "test/ece_recalibrated")
"""Metrics of the test set after one temperature a run was fitted on its validation predictions."""

DISAGREEMENTS = 12
"""How many test images `Disagreements` holds of a study."""


@dataclass(frozen=True)
class Disagreements:
    """The test images on which the mean predictions of two regimes lie farthest apart.

    Attributes:
        images: uint8 of shape (n, 28, 28).
        labels: The true classes, integers of shape (n,).
        probabilities: Regime → float32 of shape (n, classes), the mean over its seeds.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    probabilities: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class TestResults:
    """How the finished runs predicted the test images.

    Attributes:
        classes: k names, by label.
        confusion: (regime, seed) → integers of shape (k, k), rows the truth.
        f1: (regime, seed) → F1 of each class, of shape (k,).
        bins: A row for each regime, seed and bin of confidence, with the columns regime, seed,
            centre, confidence, accuracy and share; see `learning.metrics.reliability`.
        disagreements: Between the baseline and `StudyRecord.foremost`; None if no images are
            recorded.
        scores: (regime, seed) → what the run made of each test image.
        recalibrated: A row for each run with recorded validation predictions, with the columns
            regime, seed, temperature and `RECALIBRATED`.
    """

    __test__ = False  # no test class, whatever its name

    classes: tuple[str, ...]
    confusion: Mapping[tuple[str, int], NDArray[np.int64]]
    f1: Mapping[tuple[str, int], NDArray[np.float64]]
    bins: pd.DataFrame
    disagreements: Disagreements | None
    scores: Mapping[tuple[str, int], ImageScores]
    recalibrated: pd.DataFrame


@dataclass(frozen=True)
class Changed:
    """A study was declared as it is only after some of its runs had been made.

    Attributes:
        when: When it was declared so, for a person.
        finished: How many of its runs had begun before.
        what: What differs from the study of the same name before it: ``rule``, ``seeds``,
            ``splits``, ``regimes``; empty if there was none.
    """

    when: str
    finished: int
    what: tuple[str, ...]


@dataclass(frozen=True)
class StudyRecord:
    """Everything that a report says.

    Attributes:
        run_id: The id of the study's own run.
        key: The study's name and hash.
        question: As declared.
        begun: When the study's run began, for a person.
        rule: As declared.
        regimes: Regime → the parameters in which the regimes differ; the baseline first.
        common: The parameters that all regimes share.
        seeds: As declared; of several splits the numbers of the pairs.
        cells: A row for each declared cell, with the columns regime, seed, run_id, state, reason.
        runs: The finished runs: a table of runs (see `statistics`).
        histories: A row for each finished run and epoch, with the columns regime, seed, epoch and
            the metrics of the learning curves.
        results: None if no predictions are recorded.
        environment: What the runs ran on: name → the values seen.
        absent: What should be recorded and is not, a line each.
        mixed_kernels: The seeds of the pairs whose runs were computed with different kernels; empty
            if only different pairs were; None if all runs were computed alike.
        changed: Whether rule, seeds or regimes were declared with results known; None if all runs
            were made after the study was declared as it is.
        undecided: Which regime's model becomes a candidate for the registry when the verdict names
            none, as the study declares it.
        question_ja: As declared in Japanese; empty if it is not.
        looks: The looks that it has taken, if it declares any. Cells, runs, histories and results
            are then those that the last look has seen.
        unused: How many finished runs no look has seen.
        misplaced: Sources of randomness that moved, or stood still, against what was declared; see
            `pairing.misplaced`.
    """

    run_id: str
    key: str
    question: str
    begun: str
    rule: Decision
    regimes: Mapping[str, Mapping[str, Any]]
    common: Mapping[str, Any]
    seeds: tuple[int, ...]
    cells: pd.DataFrame
    runs: pd.DataFrame
    histories: pd.DataFrame
    results: TestResults | None
    environment: Mapping[str, list[str]]
    absent: tuple[str, ...] = ()
    mixed_kernels: tuple[int, ...] | None = None
    changed: Changed | None = None
    undecided: str = "simpler"
    question_ja: str = ""
    looks: Looks = field(default_factory=Looks)
    unused: int = 0
    misplaced: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """What a seed decides."""
        return tuple(self.common.get("vary", USUAL).split("+"))

    @property
    def splits(self) -> tuple[int, ...]:
        """The splits of a study that has several, each crossed with all seeds; else none."""
        found = {seed_and_split(pair)[1] for pair in self.seeds}
        return tuple(sorted(split for split in found if split is not None))

    @property
    def not_run(self) -> int:
        """How many declared cells need no run, because the study was decided before."""
        return len(self.regimes) * len(self.seeds) - len(self.cells)

    @property
    def others(self) -> list[str]:
        """The regimes that are compared with the baseline."""
        return [regime for regime in self.regimes if regime != self.rule.baseline]

    @property
    def doses(self) -> tuple[str, dict[str, float]] | None:
        """The one number in which more than two regimes differ, and its value in each."""
        names = {name for parameters in self.regimes.values() for name in parameters}
        if len(self.regimes) < 3 or len(names) != 1:
            return None
        (name,) = names
        values = {regime: of[name] for regime, of in self.regimes.items()}
        numbers = all(isinstance(value, int | float) for value in values.values())
        return (name, values) if numbers else None

    @property
    def foremost(self) -> str:
        """The regime with the best mean difference from the baseline in the primary metric, which
        figures of two regimes show beside it; the first of `others` if there is no complete pair.
        """
        metric, baseline = self.rule.primary, self.rule.baseline

        def rank(regime: str) -> float:
            paired = of_pairs(metric)
            table = at_equal_fit(self.histories, regime, baseline) if paired else self.runs
            if metric not in table:
                return -math.inf
            values = paired_differences(table, metric, regime, baseline).values()
            return GAIN[self.rule.direction] * fmean(values) if values else -math.inf

        return max(self.others, key=rank)

    @cached_property
    def image_intervals(self) -> Mapping[tuple[str, str], tuple[float, float]]:
        """(regime, metric of the test set) → interval for images like these; see `two_level`."""
        if not self.results or self.splits:  # it takes pairs for independent of each other
            return {}
        scores, baseline = self.results.scores, self.rule.baseline
        return image_intervals(scores, self.others, baseline, 1 - self.rule.alpha)

    @cached_property
    def fit_curve(self) -> FitCurve | None:
        """The difference at each training loss between `foremost` and the baseline; its band is
        simultaneous over the regimes, of which it is the best one.
        """
        confidence = 1 - self.rule.alpha / len(self.others)
        return fit_curve(self.histories, self.foremost, self.rule.baseline, confidence)

    def difference(
        self, runs: pd.DataFrame, metric: str, regime: str, direction: Direction | None = None
    ) -> Difference:
        """The difference of a regime from the baseline in a column of a table of runs.

        Without a direction it is that of the metric; those that no study declares, as those after
        recalibration, are better the lower they are.
        """
        return statistics.compare(
            runs,
            metric,
            regime=regime,
            baseline=self.rule.baseline,
            direction=direction or COMPARED.get(metric, "lower"),
            confidence=1 - self.rule.alpha,
        )

    def compare(self) -> Comparison:
        """The study's differences and verdicts."""
        seen = self.looks.seen
        return compare_regimes(self.runs, self.histories, self.others, self.rule, seen)
