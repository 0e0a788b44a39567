"""Test metrics for images like these: seeds and test images resampled together.

The interval over seeds speaks of other seeds on *these* test images. The Multi-Bootstrap (Sellam et
al. 2022, *The MultiBERTs*, arXiv 2106.16163) draws seeds and images anew, both with replacement and
each as a whole: a seed keeps its two runs, an image its predictions by all of them. The interval
then speaks of other seeds on other images of the same kind.

A resample is a count for each image and one for each seed, so that all means over images are one
matrix product. Three things are known of this bootstrap:

- Of few seeds it makes too little: their counts are spread out until the seeds alone would give the
  interval of Student's t (the idea of the expanded percentile interval, Hesterberg 2015, arXiv
  1411.5279, equation 6, for the seeds only: of images there are enough).
- Variation of an image from seed to seed is counted up to three times (Owen 2007, *The pigeonhole
  bootstrap*, doi 10.1214/07-AOAS122): the interval is rather too wide than too narrow.
- Resampling makes a calibration error larger, because its bins vary in both directions and count in
  one. The interval is therefore the basic one, which is the percentile interval reflected at the
  estimate and takes such a shift out; for means they are nearly the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from fashion_dropout.comparison.attainable import RESAMPLES

METRICS = ("test/accuracy", "test/nll", "test/ece")
"""The metrics that have this interval."""

FEWEST_PAIRS = 3
"""With two, four resamples of the seeds are all that there are."""

MOST_RUNS_FOR_ECE = 200
"""With more runs the calibration error has no interval: it alone would take minutes."""

_SEED = 0
_AT_ONCE = 250  # resamples


@dataclass(frozen=True)
class ImageScores:
    """What a run made of each of n test images.

    Attributes:
        loss: −ln of the probability of the true class, in nats, float32 of shape (n,).
        correct: Whether the largest probability is that of the true class, bool of shape (n,).
        surplus: Confidence − `correct`, float32 of shape (n,).
        bins: The bin of confidence that the calibration error counts the image in, of shape (n,).
    """

    loss: NDArray[np.float32]
    correct: NDArray[np.bool_]
    surplus: NDArray[np.float32]
    bins: NDArray[np.uint8]


Runs = Mapping[tuple[str, int], ImageScores]
Table = NDArray[np.float32]


def image_intervals(
    scores: Runs, regimes: Sequence[str], baseline: str, confidence: float
) -> dict[tuple[str, str], tuple[float, float]]:
    """The interval of each mean paired difference over seeds and images, 10,000 resamples, seeded.

    Args:
        scores: (regime, seed) → the scores of the run, all of the same images.
        regimes: The regimes that are compared.
        baseline: The one they are compared with.
        confidence: Of both sides together, for each interval by itself.

    Returns:
        (regime, metric) → the interval of the mean difference regime − baseline. Without an entry
        if there are fewer than `FEWEST_PAIRS`.
    """
    seeds = {
        regime: sorted(s for r, s in scores if r == regime and (baseline, s) in scores)
        for regime in regimes
    }
    seeds = {regime: of for regime, of in seeds.items() if len(of) >= FEWEST_PAIRS}
    if not seeds:
        return {}
    rng = np.random.default_rng(_SEED)
    weights = {regime: seed_weights(len(of), confidence, rng) for regime, of in seeds.items()}
    pairs = [(regime, seed) for regime, of in seeds.items() for seed in of]
    tail = (1 - confidence) / 2
    found = {}
    for metric, (estimates, resampled) in _resample(scores, pairs, baseline, rng).items():
        for regime in seeds:
            own = [place for place, (name, _) in enumerate(pairs) if name == regime]
            means = (resampled[own] * weights[regime].T).mean(axis=0)
            low, high = 2 * estimates[own].mean() - np.quantile(means, (1 - tail, tail))
            found[regime, metric] = (float(low), float(high))
    return found


def expansion(seeds: int, confidence: float) -> float:
    """How far the counts of n seeds are spread out: t / (z · √((n − 1)/n)).

    Resampling n values gives a mean with a variance that is (n − 1)/n of the right one, and the
    normal quantile z where Student's t with n − 1 degrees of freedom should be.
    """
    quantile = (1 + confidence) / 2
    t, z = stats.t.ppf(quantile, seeds - 1), stats.norm.ppf(quantile)
    return float(t / (z * math.sqrt((seeds - 1) / seeds)))


def seed_weights(seeds: int, confidence: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much each seed counts in each resample, 1 on average; (RESAMPLES, seeds)."""
    counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)
    return np.asarray(1 + expansion(seeds, confidence) * (counts - 1))


def _resample(
    scores: Runs, pairs: Sequence[tuple[str, int]], baseline: str, rng: np.random.Generator
) -> dict[str, tuple[Table, Table]]:
    """Metric → its differences, (pairs,), and those in resamples of the images, (pairs, RESAMPLES).

    One sparse product gives everything: NumPy's dense one would compete for the cores with whatever
    else runs, and a network is right on most images whatever its regime.
    """
    both = [(scores[pair], scores[baseline, pair[1]]) for pair in pairs]
    n, size = len(both[0][0].loss), len(pairs)
    hits = np.stack([own.correct.astype(np.float32) - base.correct for own, base in both])
    losses = np.stack([own.loss - base.loss for own, base in both])
    keys = list(dict.fromkeys([*pairs, *((baseline, seed) for _, seed in pairs)]))
    used = {key: place for place, key in enumerate(keys)}
    parts = [sparse.csr_array(hits), sparse.csr_array(losses)]
    if len(used) <= MOST_RUNS_FOR_ECE:
        parts.append(_binned([scores[key] for key in used]))
    rows = sparse.vstack(parts, format="csr")
    own = [used[pair] for pair in pairs]
    base = [used[baseline, seed] for _, seed in pairs]
    found: dict[str, list[Table]] = {metric: [] for metric in METRICS}
    for sums in _ahead(lambda counts: rows @ counts / n, _counts(n, rng)):
        found["test/accuracy"].append(sums[:size])
        found["test/nll"].append(sums[size : 2 * size])
        if len(parts) > 2:
            binned = sums[2 * size :].reshape(len(used), -1, sums.shape[1])
            surplus = np.abs(binned).sum(axis=1)
            found["test/ece"].append(surplus[own] - surplus[base])
    return {
        metric: (of[0][:, 0], np.concatenate(of[1:], axis=1)) for metric, of in found.items() if of
    }


def _counts(n: int, rng: np.random.Generator) -> Iterator[Table]:
    """How often each of n images is drawn: first each once, (n, 1), then `RESAMPLES` in parts."""
    yield np.ones((n, 1), dtype=np.float32)
    for _ in range(RESAMPLES // _AT_ONCE):
        drawn = rng.integers(0, n, (_AT_ONCE, n), dtype=np.int32)
        counts = np.empty((_AT_ONCE, n), dtype=np.float32)
        for row, images in zip(counts, drawn, strict=True):
            row[:] = np.bincount(images, minlength=n)
        yield np.ascontiguousarray(counts.T)


def _ahead(product: Callable[[Table], Table], parts: Iterable[Table]) -> Iterator[Table]:
    """The product of each part, in a thread of its own while the next part is drawn."""
    with ThreadPoolExecutor(1) as thread:
        before: Future[Table] | None = None
        for part in parts:
            running = thread.submit(product, part)
            if before:
                yield before.result()
            before = running
        if before:
            yield before.result()


def _binned(runs: Sequence[ImageScores]) -> sparse.csr_array:
    """A row for each run and bin, a column for each image: its surplus, in its bin."""
    n, bins = len(runs[0].loss), int(max(run.bins.max() for run in runs)) + 1
    rows = [place * bins + run.bins.astype(np.int64) for place, run in enumerate(runs)]
    columns = np.tile(np.arange(n), len(runs))
    values = np.concatenate([run.surplus for run in runs])
    shape = (len(runs) * bins, n)
    return sparse.csr_array((values, (np.concatenate(rows), columns)), shape=shape)
