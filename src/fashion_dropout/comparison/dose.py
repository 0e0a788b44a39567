"""Which value of the one parameter in which regimes differ gives the lowest validation loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.spread import Estimate
from fashion_dropout.comparison.two_level import seed_weights
from fashion_dropout.texts import Count, Language, metric_label, texts

METRIC = "best/val_loss"
"""At the best epoch of each run, so that a value is not called bad because it overfits later."""

WITHIN = 0.005
"""Nats. A value whose mean loss is so near the lowest one is called as good."""

_SEED = 0
_SHARE = 0.95


@dataclass(frozen=True)
class BestDose:
    """What the seeds say about the best value.

    The ends are the smallest and the largest value that the middle 95 % of the resamples choose.

    Attributes:
        parameter: Its name.
        seeds: How many seeds have a run with every value.
        lowest: The value of the lowest mean of `METRIC`.
        least: The smallest value whose mean lies within `WITHIN` of that.
    """

    parameter: str
    seeds: int
    lowest: Estimate
    least: Estimate


def best_dose(record: StudyRecord) -> BestDose | None:
    """The best value, by a percentile bootstrap over seeds, all runs of a seed kept together.

    Values that were not tried are no choice, so an interval ends at values that were. Of few seeds
    a bootstrap makes too little, so their counts are spread out as in `two_level`.

    Returns:
        None if the regimes do not differ in one number, if seeds are crossed with splits, or if
        fewer than two seeds have all runs.
    """
    if record.doses is None or record.splits or METRIC not in record.runs:
        return None
    parameter, doses = record.doses
    table = record.runs.pivot(index="seed", columns="regime", values=METRIC)
    ordered = sorted(doses, key=doses.__getitem__)
    losses = table.reindex(columns=ordered).dropna().to_numpy(dtype=float)
    if len(losses) < 2:
        return None
    weights = seed_weights(len(losses), _SHARE, np.random.default_rng(_SEED))
    means = np.vstack([losses.mean(axis=0), weights @ losses / len(losses)])
    values = np.array([doses[regime] for regime in ordered])
    near = means <= means.min(axis=1, keepdims=True) + WITHIN
    return BestDose(
        parameter,
        len(losses),
        _chosen(values[means.argmin(axis=1)]),
        _chosen(values[near.argmax(axis=1)]),
    )


def _chosen(values: NDArray[np.float64]) -> Estimate:
    """From what all seeds choose, followed by what each resample chooses."""
    ends = (0.5 - _SHARE / 2, 0.5 + _SHARE / 2)
    low, high = np.quantile(values[1:], ends, method="inverted_cdf")
    return Estimate(float(values[0]), float(low), float(high))


def dose_sentences(record: StudyRecord, language: Language = "en") -> list[str]:
    """The best value in words, which decide nothing; none for a study that has none."""
    found = best_dose(record)
    if found is None:
        return []
    words = texts(language)["dose"]
    lowest, least = (
        str(words["chosen" if of.low < of.high else "always"]).format(**of._asdict())
        for of in (found.lowest, found.least)
    )
    return [
        str(words["best"]).format(
            parameter=found.parameter,
            noun=metric_label(METRIC, language),
            lowest=lowest,
            least=least,
            within=WITHIN,
            seeds=Count(found.seeds),
        )
    ]
