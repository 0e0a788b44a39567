"""The statistics on simulated studies, in full (the test suite runs a shorter form).

A/A: one regime against itself under another name; how often does the whole decision, guards
included, find a difference? Coverage: how often do the intervals contain the true mean differences:
of one regime on normal and on skewed noise, of several regimes all at once, and of seeds and test
images together?

    uv run python benchmarks/simulate.py [--studies 2000]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import click
import numpy as np
from scipy import stats

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.guards import guard
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.two_level import ImageScores, image_intervals
from fashion_dropout.comparison.verdict import decide
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import COMPARED

ALPHA = 0.05
RULE = Decision(
    primary="gap/loss",
    direction="lower",
    smallest_difference=1.0,
    alpha=ALPHA,
    baseline="none",
    guards={"val/loss": 1.0, "val/accuracy": 0.2},
)
GAINS = ("better", "better, harm not excluded", "mixed")
Noise = Callable[[Sequence[int]], np.ndarray]


def difference(metric: str, values: np.ndarray, comparisons: int = 1) -> Difference:
    """What `statistics.compare` makes of these differences, without the bootstrap."""
    low, high = statistics.t_interval(values, 1 - ALPHA / comparisons)
    p = statistics.sign_flip_p(values)
    return Difference(
        metric=metric,
        regime="again",
        by_seed=dict(enumerate(map(float, values))),
        mean=float(values.mean()),
        low=low,
        high=high,
        bca_low=math.nan,
        bca_high=math.nan,
        p=p,
        p_holm=p,
        prob_better=math.nan,
    )


def verdicts(
    rng: np.random.Generator, studies: int, pairs: int, regimes: int = 2, rho: float = 0.5
) -> Counter[str]:
    """The verdicts of studies in which all regimes are one and the same.

    Args:
        rng: The source of all noise.
        studies: Their number.
        pairs: Of each study.
        regimes: One of them is the baseline.
        rho: The correlation of the primary metric with each guard.

    Returns:
        How many studies found a gain for some regime, by its kind, or else a loss, or neither.
    """
    counts: Counter[str] = Counter()
    names = (RULE.primary, *RULE.guards)
    covariance = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
    root = np.linalg.cholesky(covariance)
    for _ in range(studies):
        runs = rng.normal(size=(regimes, pairs, 3)) @ root.T
        found = []
        primary = [difference(RULE.primary, (one - runs[0])[:, 0], regimes - 1) for one in runs[1:]]
        for one, of in zip(runs[1:], statistics.with_holm(primary), strict=True):
            guards = [
                guard(
                    difference(name, (one - runs[0])[:, place]),
                    RULE.guards[name],
                    ALPHA,
                    COMPARED[name],
                )
                for place, name in enumerate(names)
                if place
            ]
            found.append(decide(of, RULE, regimes - 1, guards).kind)
        counts[next((kind for kind in (*GAINS, "worse") if kind in found), "neither")] += 1
    return counts


def coverage(noise: np.ndarray, mean: float) -> tuple[float, float]:
    """How often the t and the BCa interval of a row contain its true mean."""
    inside = np.zeros(2)
    for values in noise:
        for which, interval in enumerate((statistics.t_interval, statistics.bca_interval)):
            low, high = interval(values)
            inside[which] += low <= mean <= high
    return tuple(inside / len(noise))


def simultaneous_coverage(noise: Noise, studies: int, pairs: int, regimes: int) -> float:
    """How often the intervals of all regimes contain their true mean differences at once.

    They share the runs of the baseline, so that they are correlated by 0.5.
    """
    values = noise((studies, regimes, pairs))
    table = (values[:, 1:] - values[:, :1]).reshape(-1, pairs)
    _, low, high = statistics.t_intervals(table, 1 - ALPHA / (regimes - 1))
    inside = ((low <= 0) & (high >= 0)).reshape(studies, regimes - 1)
    return float(inside.all(axis=1).mean())


def image_coverage(
    rng: np.random.Generator, studies: int, pairs: int, images: int
) -> tuple[float, float]:
    """How often the interval over seeds, and that over seeds and images, contain the truth.

    The losses of a pair differ by 0.1, by seed, by image, and by both.
    """
    inside = np.zeros(2)
    for _ in range(studies):
        loss = 0.1 + rng.normal(0, 0.02, (pairs, 1)) + rng.normal(0, 0.5, (1, images))
        loss = (loss + rng.normal(0, 0.2, (pairs, images))).astype(np.float32)
        nothing = np.zeros(images)
        scores = {
            (regime, seed): ImageScores(
                factor * loss[seed], nothing > 0, nothing.astype("f4"), nothing.astype("u1")
            )
            for seed in range(pairs)
            for regime, factor in (("none", 0), ("dropout", 1))
        }
        both = image_intervals(scores, ["dropout"], "none", 1 - ALPHA)["dropout", "test/nll"]
        seeds = statistics.t_interval(loss.mean(axis=1).astype(float), 1 - ALPHA)
        inside += [low <= 0.1 <= high for low, high in (seeds, both)]
    return tuple(inside / studies)


@click.command()
@click.option("--studies", default=2_000, show_default=True)
def main(studies: int) -> None:
    rng = np.random.default_rng(0)
    limit = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / studies)
    print(f"{studies} studies each; A/A limit: alpha + 2 binomial standard errors = {limit:.4f}")
    for regimes, pairs in ((2, 5), (2, 7), (2, 10), (2, 20), (5, 10), (9, 10)):
        counts = verdicts(rng, studies, pairs, regimes)
        shares = ", ".join(f"{kind} {counts[kind] / studies:.4f}" for kind in (*GAINS, "worse"))
        wrong = 1 - counts["neither"] / studies
        gains = sum(counts[kind] for kind in GAINS) / studies
        print(
            f"A/A with guards, {regimes} regimes, n = {pairs:2}: false positives {wrong:.4f}, of "
            f"them gains {gains:.4f} ({shares})"
        )
    for pairs in (5, 7, 10, 20):
        normal = coverage(rng.normal(0.3, 1, (studies, pairs)), 0.3)
        skewed = coverage(rng.exponential(1, (studies, pairs)), 1.0)
        print(
            f"n = {pairs:2}: coverage of t {normal[0]:.4f}, BCa {normal[1]:.4f} (skewed noise: "
            f"t {skewed[0]:.4f}, BCa {skewed[1]:.4f})"
        )
    for regimes in (2, 5, 9):
        shown = ", ".join(
            f"n = {pairs}: {simultaneous_coverage(noise, studies, pairs, regimes):.4f} {name}"
            for pairs in (5, 7, 10, 20)
            for name, noise in (
                ("normal", lambda size: rng.normal(size=size)),
                ("skewed", lambda size: stats.gamma.rvs(2, size=size, random_state=rng)),
            )
        )
        print(f"simultaneous coverage, {regimes} regimes: {shown}")
    for pairs in (6, 10):
        seeds, both = image_coverage(rng, max(1, studies // 10), pairs, 200)
        print(
            f"other seeds on other images, n = {pairs:2}, {studies // 10} studies: coverage over "
            f"seeds {seeds:.3f}, over seeds and images {both:.3f}"
        )


if __name__ == "__main__":
    main()
