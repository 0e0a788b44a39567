"""The statistics on simulated studies, in full (the test suite runs a shorter form).

A/A: one regime against itself; how often does the rule of a study find a difference? Coverage: how
often do the two 95 % intervals contain the true mean difference, on normal and on skewed noise?

    uv run python benchmarks/simulate.py [--studies 2000]
"""

from __future__ import annotations

import math

import click
import numpy as np

from fashion_dropout.comparison import statistics


def false_positives(rng: np.random.Generator, studies: int, pairs: int, alpha: float) -> int:
    found = 0
    for values in rng.normal(size=(studies, pairs)) - rng.normal(size=(studies, pairs)):
        low, high = statistics.t_interval(values)
        found += statistics.sign_flip_p(values) <= alpha and not low <= 0 <= high
    return found


def coverage(noise: np.ndarray, mean: float) -> tuple[float, float]:
    inside = np.zeros(2)
    for values in noise:
        for which, interval in enumerate((statistics.t_interval, statistics.bca_interval)):
            low, high = interval(values)
            inside[which] += low <= mean <= high
    return tuple(inside / len(noise))


@click.command()
@click.option("--studies", default=2_000, show_default=True)
def main(studies: int) -> None:
    rng = np.random.default_rng(0)
    limit = 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)
    print(f"{studies} studies each; A/A limit: alpha + 2 binomial standard errors = {limit:.4f}")
    for pairs in (6, 10, 20):
        rate = false_positives(rng, studies, pairs, 0.05) / studies
        normal = coverage(rng.normal(0.3, 1, (studies, pairs)), 0.3)
        skewed = coverage(rng.exponential(1, (studies, pairs)), 1.0)
        print(
            f"n = {pairs:2}: false positives {rate:.4f}; coverage of t {normal[0]:.4f}, "
            f"BCa {normal[1]:.4f} (skewed noise: t {skewed[0]:.4f}, BCa {skewed[1]:.4f})"
        )


if __name__ == "__main__":
    main()
