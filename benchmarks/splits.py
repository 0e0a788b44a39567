"""Coverage of the interval for other seeds and other splits, on simulated studies.

Differences d[s, k] = a[s] + b[k] + e[s, k] of S seeds and K splits, all normal; seeds and rest
have the standard deviation 1, splits none, 1 or 2. Beside the interval of the program: that of
Student's t over all pairs, which takes them for independent; over the means of the seeds, which is
for the same splits; and the estimate of the mean squares with the rest alone as its floor, with
Satterthwaite's degrees of freedom.

    uv run python benchmarks/splits.py [--studies 20000]
"""

from __future__ import annotations

import click
import numpy as np
from scipy import stats

from fashion_dropout.comparison.statistics import t_intervals
from fashion_dropout.comparison.two_way import two_way

CONFIDENCE = 0.95
SIZES = ((6, 3), (4, 4), (10, 5))
SPLITS = (0.0, 1.0, 2.0)


def studies(
    rng: np.random.Generator, count: int, seeds: int, splits: int, deviations: tuple[float, ...]
) -> np.ndarray:
    """Differences without an effect, float64 of shape (count, seeds, splits).

    Args:
        rng: The source of all noise.
        count: How many studies.
        seeds: Of each.
        splits: Of each.
        deviations: Standard deviations of seeds, splits and the rest.
    """
    of_seeds, of_splits, rest = (
        deviation * rng.normal(size=shape)
        for deviation, shape in zip(
            deviations,
            ((count, seeds, 1), (count, 1, splits), (count, seeds, splits)),
            strict=True,
        )
    )
    return of_seeds + of_splits + rest


def covered(low: np.ndarray, high: np.ndarray) -> float:
    """The share of intervals that contain 0, the true mean."""
    return float(((low <= 0) & (high >= 0)).mean())


def satterthwaite(tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of the plain estimate, at least that of the rest, with its own freedom."""
    _, seeds, splits = tables.shape
    mean = tables.mean(axis=(1, 2))
    by_seed, by_split = tables.mean(axis=2), tables.mean(axis=1)
    rest = tables - by_seed[:, :, None] - by_split[:, None, :] + mean[:, None, None]
    free = np.array([seeds - 1, splits - 1, (seeds - 1) * (splits - 1)])
    squares = np.stack(
        [splits * by_seed.var(axis=1, ddof=1), seeds * by_split.var(axis=1, ddof=1),
         (rest**2).sum(axis=(1, 2)) / free[2]]
    )  # fmt: skip
    estimate = np.maximum(squares[0] + squares[1] - squares[2], squares[2])
    freedom = estimate**2 / (squares**2 / free[:, None]).sum(axis=0)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(estimate / (seeds * splits))
    return mean - half, mean + half


def coverages(tables: np.ndarray) -> dict[str, float]:
    """Interval → how often it contains the truth; and how wide the first is beside the third."""
    own = two_way(tables).interval(CONFIDENCE)
    _, *pairs = t_intervals(tables.reshape(len(tables), -1), CONFIDENCE)
    _, *seeds = t_intervals(tables.mean(axis=2), CONFIDENCE)
    return {
        "this program": covered(*own),
        "all pairs": covered(*pairs),
        "means of seeds": covered(*seeds),
        "Satterthwaite": covered(*satterthwaite(tables)),
        "times as wide as over seeds": float(np.median((own[1] - own[0]) / (seeds[1] - seeds[0]))),
    }


@click.command()
@click.option("--studies", "count", default=20_000, show_default=True)
def main(count: int) -> None:
    rng = np.random.default_rng(0)
    print(f"{count} studies each; coverage of the 95 % intervals")
    for seeds, splits in SIZES:
        for of_splits in SPLITS:
            found = coverages(studies(rng, count, seeds, splits, (1.0, of_splits, 1.0)))
            shown = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
            print(f"{seeds:2} seeds × {splits} splits, splits {of_splits:g}: {shown}")


if __name__ == "__main__":
    main()
