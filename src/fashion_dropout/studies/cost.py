"""What a study costs on paper: time, core-hours and energy on few cores and on many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fashion_dropout.plain_table import plain_table
from fashion_dropout.progress import duration

WATTS = 10.0
"""Of a core at work, its share of memory and power supply included: an assumption, not measured."""

_CORES = (2, 16, 256)
_FIXED_SECONDS = 36.0  # to start, to close a run and to conclude, AVX2: benchmarks/fixed_cost.py
_WELL_USED = 0.8


@dataclass(frozen=True)
class Cost:
    """A study on paper. One core trains one run; all cores are held until the study has ended.

    Attributes:
        runs: How many the study declares.
        seconds: Of one run on one core: on the fastest and on the slowest machine of this kind.
        watts: Of a core while it is held.
    """

    runs: int
    seconds: tuple[float, float]
    watts: float = WATTS

    def held(self, cores: int, seconds: float) -> float:
        """Seconds for which `cores` cores are held, if one run takes `seconds`."""
        return _FIXED_SECONDS + math.ceil(self.runs / cores) * seconds

    def used(self, cores: int) -> float:
        """Share of the core time in which runs are trained, on the fastest machine."""
        seconds = self.seconds[0]
        return self.runs * seconds / (cores * self.held(cores, seconds))

    @property
    def knee(self) -> int:
        """The most cores that still spend `_WELL_USED` of their time on training; at least 1."""
        return max((n for n in range(1, self.runs + 1) if self.used(n) >= _WELL_USED), default=1)

    def lines(self) -> Iterator[str]:
        """All of it, for a person."""
        yield (
            f"on paper, the {self.runs:,} declared runs, each on one core of this kind, at "
            f"{self.watts:g} W a core:"
        )
        rows = [("cores", "time", "core-hours", "energy")]
        for cores in _CORES:
            held = [self.held(cores, seconds) for seconds in self.seconds]
            hours = [cores * seconds / 3600 for seconds in held]
            rows.append(
                (
                    f"{cores}",
                    span([duration(seconds) for seconds in held]),
                    span([f"{each:.2g}" if each < 10 else f"{each:.0f}" for each in hours]),
                    f"{span([f'{each * self.watts / 1000:.2g}' for each in hours])} kWh",
                )
            )
        yield plain_table(rows)
        yield (
            f"at {self.knee:,} cores, at least {100 * _WELL_USED:.0f} % of their time is training, "
            "at more of them, less"
        )


def span(ends: list[str]) -> str:
    """From the lower to the upper end, for a person; one text if both read the same."""
    low, high = ends
    return low if low == high else f"{low} to {high}"
