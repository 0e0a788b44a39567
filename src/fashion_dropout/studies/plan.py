"""How many seeds a study needs, before any of them is run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fashion_dropout import provenance
from fashion_dropout.comparison.attainable import seeds_for
from fashion_dropout.comparison.power import (
    POWER,
    Power,
    power,
    seeds_for_equivalence,
    seeds_for_no_harm,
    seeds_needed,
)
from fashion_dropout.comparison.power_at_looks import expected_pairs, power_at_looks
from fashion_dropout.config.study import Study
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.kernels import EVALUATION, training_speed
from fashion_dropout.plain_table import plain_table
from fashion_dropout.progress import duration
from fashion_dropout.reports.pictures import picture
from fashion_dropout.reports.plots.power import power_curves
from fashion_dropout.studies.cost import WATTS, Cost, span
from fashion_dropout.studies.pilot import Spread
from fashion_dropout.texts import Language

_MOST_POINTS = 24
_MOST_ROWS = 12


@dataclass(frozen=True)
class Plan:
    """The power of a study over the number of its seeds, and what they cost on this machine, where
    a core at work takes so many watts.
    """

    study: Study
    spread: Spread
    watts: float = WATTS

    @property
    def regimes(self) -> int:
        """How many are compared with the baseline."""
        return len(self.study.others)

    @cached_property
    def _needed(self) -> tuple[int, int, int]:
        """The fewest seeds that show with `POWER` the smallest difference of interest; that also
        show that no guard is harmed; and that show that there is no difference that matters.
        """
        rule, deviations = self.study.decision, self.spread.deviations
        return (
            seeds_needed(self._deviation, rule, self.regimes),
            seeds_for_no_harm(deviations, rule, self.regimes),
            seeds_for_equivalence(self._deviation, rule, self.regimes),
        )

    @cached_property
    def points(self) -> tuple[Power, ...]:
        """The power over numbers of seeds, up to more than those that show either."""
        least = max(2, seeds_for(self.study.decision.alpha, self.regimes))
        most = max(least + 4, math.ceil(1.3 * max(self._marked)))
        steps = np.geomspace(least, most, _MOST_POINTS).round().astype(int).tolist()
        rule, deviations = self.study.decision, self.spread.deviations
        return tuple(
            power(pairs, deviations, rule, self.regimes)
            for pairs in sorted({*steps, *self._marked})
        )

    @cached_property
    def looks(self) -> tuple[Power, ...]:
        """The power by each declared look; none without any."""
        if not self.study.decision.looks:
            return ()
        return power_at_looks(self.spread.deviations, self.study.decision, self.regimes)

    @property
    def text(self) -> str:
        """All of it, for a person."""
        return "\n".join(self._lines())

    def figure(self, suffix: str, language: Language) -> bytes:
        """The power over the number of seeds, as a file with the suffix ``.png`` or ``.svg``."""
        drawn = picture(
            power_curves(
                self.points,
                self.looks,
                smallest=self.study.decision.smallest_difference,
                declared=len(self.study.seeds),
                guarded=self._guarded,
                language=language,
            )
        )
        return drawn.svg if suffix == ".svg" and drawn.svg else drawn.png

    def _lines(self) -> Iterator[str]:
        rule, spread = self.study.decision, self.spread
        smallest, seeds = f"{rule.smallest_difference:g}", len(self.study.seeds)
        often = f"{100 * POWER:.0f} of 100 such studies"
        difference, no_harm, none = self._needed
        yield f"{self.study.key}: {rule.primary}, smallest difference of interest {smallest}"
        yield from self._spread_lines()
        counted = [metric for metric in rule.guards if metric in spread.deviations]
        if counted:
            yield f"guards counted, as if no regime harmed them: {', '.join(counted)}"
        if left := [metric for metric in rule.guards if metric not in counted]:
            yield f"guards not counted, because nothing is known of them: {', '.join(left)}"
        if self.regimes > 1:
            yield f"for each of {self.regimes} regimes, tested at alpha / {self.regimes}"
        yield (
            f"Probability that the study shows a difference, if it is {smallest}; that it also "
            "shows no harm to the guards, if there is none; that it shows that no difference "
            "matters, if there is none:"
        )
        yield ""
        headings = ("seeds", "runs", "time", f"shows {smallest}", "and no harm", "shows none")
        yield self._table(headings, self._rows())
        yield f"{difference:,} seeds show a difference of {smallest} in {often}"
        if self._guarded:
            yield f"{no_harm:,} seeds also show no harm to the guards in {often}"
        yield f"{none:,} seeds show that no difference matters in {often}"
        if high := spread.interval(rule.primary):
            most = seeds_needed(high[1], rule, self.regimes)
            yield f"(a difference: {most:,} seeds, if the standard deviation is {high[1]:.4g})"
        if self.looks:
            yield ""
            yield "by each declared look, at which the study ends if it is decided:"
            yield self._table(("pairs", *headings[1:]), self.looks)
            runs = [
                round(expected_pairs(self.looks, decided, self.regimes) * len(self.study.regimes))
                for decided in (
                    [look.unharmed for look in self.looks],
                    [look.equivalence for look in self.looks],
                )
            ]
            yield (
                f"expected: {runs[0]:,} runs if the difference is {smallest}, {runs[1]:,} if there "
                f"is none, of {seeds * len(self.study.regimes):,} declared"
            )
        if seconds := self._run_seconds:
            yield ""
            yield from Cost(seeds * len(self.study.regimes), seconds, self.watts).lines()

    def _spread_lines(self) -> Iterator[str]:
        rule, spread = self.study.decision, self.spread
        shown = f"standard deviation of its differences: {self._deviation:.4g}"
        if interval := spread.interval(rule.primary):
            low, high = interval
            shown += f" (95 % CI {low:.4g} to {high:.4g}, {spread.pairs} pairs)"
        yield f"{shown}, {spread.source}"
        if spread.differs:
            yield (
                f"warning: {spread.source} has {spread.differs[0]}: its pairs may vary "
                "differently; a pilot of the same regimes is better (--pilot)"
            )

    def _table(self, headings: tuple[str, ...], rows: tuple[Power, ...]) -> str:
        shown = [headings] + [
            (
                f"{point.pairs:,}",
                f"{point.pairs * len(self.study.regimes):,}",
                self._time(point.pairs),
                f"{100 * point.difference:.0f} %",
                f"{100 * point.unharmed:.0f} %",
                f"{100 * point.equivalence:.0f} %",
            )
            for point in rows
        ]
        return plain_table([(*row[:4], *row[4 if self._guarded else 5 :]) for row in shown])

    def _rows(self) -> tuple[Power, ...]:
        """As many of the points as a terminal shows, those that matter among them."""
        step = math.ceil(len(self.points) / (_MOST_ROWS - len(self._marked)))
        return tuple(
            point
            for place, point in enumerate(self.points)
            if place % step == 0 or point.pairs in self._marked
        )

    @cached_property
    def _marked(self) -> set[int]:
        return {*self._needed, max(2, len(self.study.seeds))}

    def _time(self, pairs: int) -> str:
        """How long so many pairs train on this machine, at best and at worst."""
        if self._run_seconds is None:
            return "–"
        in_turn = math.ceil(pairs * len(self.study.regimes) / provenance.cores())
        return span([duration(in_turn * seconds) for seconds in self._run_seconds])

    @cached_property
    def _run_seconds(self) -> tuple[float, float] | None:
        """How long a run trains on one core of this machine, at best and at worst; a mean over
        the regimes. None if it is not known.
        """
        configs = [self.study.config(regime, self.study.seeds[0]) for regime in self.study.regimes]
        speeds = training_speed(configs[0].kernels)
        kind = data.DATASETS[self.study.dataset]
        if speeds is None or not kind.training_size:  # known once somebody names a folder
            return None
        images = (kind.training_size - kind.validation_size) * EVALUATION
        epochs = sum(config.epochs for config in configs) / len(configs)
        slow, fast = speeds
        return epochs * images / fast, epochs * images / slow

    @property
    def _guarded(self) -> bool:
        return bool(self.study.decision.guards.keys() & self.spread.deviations.keys())

    @property
    def _deviation(self) -> float:
        return self.spread.deviations[self.study.decision.primary]
