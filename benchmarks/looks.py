"""Studies with looks: how often they are wrong, what they show, and which cells they save.

A/A: studies without an effect, decided look by look by the whole rule, guards and equivalence
included. Power: of the mean over the range of equal fit against the value at one point, with the
standard deviations that were seen. Saved cells: the published studies, had they been looked at.

    uv run python benchmarks/looks.py [--studies 2000]
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import click
import numpy as np

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.early import bias_adjusted
from fashion_dropout.comparison.guards import guard
from fashion_dropout.comparison.sequential import of_studies
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.verdict import DECIDED, decide
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.metrics import COMPARED, GAIN

ALPHA = 0.05
LOOKS = (7, 10, 16)
RULE = Decision(
    primary="gap/loss",
    direction="lower",
    smallest_difference=1.0,
    alpha=ALPHA,
    baseline="none",
    looks=LOOKS,
    guards={"val/loss": 1.0, "val/accuracy": 1.0},
)
STUDIES = Path(__file__).resolve().parents[1] / "experiments/dropout"
# Seeds 10 to 14 of the second edition, run again on a CPU with AVX2 (29 November 2026).
OVER_RANGE = np.array([-0.0083, -0.0036, -0.0099, -0.0087, -0.0086])
AT_POINT = np.array([0.0011, -0.0010, -0.0014, -0.0098, -0.0014])


def difference(metric: str, values: np.ndarray) -> Difference:
    """What `statistics.compare` makes of these differences, without bootstrap and p."""
    low, high = statistics.t_interval(values, 1 - ALPHA)
    nothing = math.nan
    return Difference(
        metric, "again", dict(enumerate(map(float, values))), float(values.mean()), low, high,
        nothing, nothing, 1.0, 1.0, nothing, 1 - ALPHA,
    )  # fmt: skip


def decided(values: np.ndarray, rule: Decision) -> tuple[str, int]:
    """The verdict of one study and after how many pairs it came.

    Args:
        values: float64 of shape (pairs, 1 + guards): the differences in the primary metric and in
            the guards, in the order of the seeds.
        rule: With looks.
    """
    looks: list[tuple[int, ...]] = []
    for pairs, newly in zip(rule.looks, rule.spending, strict=True):
        looks.append(tuple(range(pairs)))
        guards = [
            guard(difference(metric, values[:pairs, place]), margin, newly, COMPARED[metric])
            for place, (metric, margin) in enumerate(rule.guards.items(), start=1)
        ]
        verdict = decide(
            difference(rule.primary, values[:pairs, 0]), rule, guards=guards, looks=looks
        )
        if verdict.kind in DECIDED:
            break
    return verdict.kind, pairs


def wrong(rng: np.random.Generator, studies: int) -> None:
    """How often studies say what is not so: a difference, equivalence, or an unharmed guard."""
    root = np.linalg.cholesky(np.full((3, 3), 0.5) + 0.5 * np.eye(3))
    worst = [-GAIN[COMPARED[metric]] for metric in RULE.guards]
    for name, mean in (
        ("no effect", [0.0, 0.0, 0.0]),
        ("no effect, both guards harmed by the margin", [0.0, *worst]),
        ("the smallest difference of interest", [1.0, 0.0, 0.0]),
    ):
        counts: Counter[str] = Counter()
        for _ in range(studies):
            kind, _ = decided(rng.normal(size=(LOOKS[-1], 3)) @ root.T + mean, RULE)
            counts[kind] += 1
        shown = ", ".join(f"{kind} {count / studies:.4f}" for kind, count in counts.most_common())
        print(f"{name}: {shown}")


def power(rng: np.random.Generator, studies: int) -> None:
    """How often a difference is shown, by its standard deviation, and after how many pairs."""
    effect = float(OVER_RANGE.mean())
    for name, deviation in (
        ("mean over the range", OVER_RANGE.std(ddof=1)),
        ("value at the point, same pairs", AT_POINT.std(ddof=1)),
        ("value at the point, ten published pairs", 0.0145),
    ):
        values = rng.normal(effect, deviation, (studies, LOOKS[-1]))
        seen = []
        for number, pairs in enumerate(LOOKS, start=1):
            p, level = of_studies(
                values[:, :pairs], LOOKS[:number], RULE.spending[:number], two_sided=True
            )
            shown = (p <= level).any(axis=1)
            seen.append(f"{shown.mean():.3f} after {pairs}")
        print(f"{name}, s = {deviation:.4f}: an effect of {effect:.4f} is shown: {', '.join(seen)}")


def coverage(rng: np.random.Generator, studies: int) -> None:
    """How often the 95 % t interval contains the true mean, without looks and after a stop."""
    for pairs in (5, 7, 10, 20):
        inside = []
        for mean, noise in ((0.0, rng.normal), (1.0, rng.exponential)):
            _, low, high = statistics.t_intervals(noise(size=(studies, pairs)), 1 - ALPHA)
            inside.append(f"{((low <= mean) & (mean <= high)).mean():.3f}")
        print(f"n = {pairs:2}: coverage of t {inside[0]}, on skewed noise {inside[1]}")
    rule = RULE.model_copy(update={"smallest_difference": 0.1})  # too small for equivalence
    values = rng.normal(1.0, 1.0, (studies, LOOKS[-1]))
    p, level = of_studies(values, LOOKS, RULE.spending, two_sided=True)
    stopped = np.where((p <= level).any(axis=1), (p <= level).argmax(axis=1), len(LOOKS))
    for look, pairs in enumerate(LOOKS[:-1]):
        here = values[stopped == look, :pairs]
        means, low, high = statistics.t_intervals(here, 1 - ALPHA)
        some = here[: studies // 10]
        adjusted = [bias_adjusted(one, LOOKS[: look + 1], rule) for one in some]
        print(
            f"{len(here)} studies of an effect of 1 s stopped after {pairs} pairs: coverage of t "
            f"{((low <= 1) & (high >= 1)).mean():.3f}; mean {means.mean():.3f}, adjusted "
            f"{np.mean(adjusted):.3f} (of {len(some)}) where 1 is true"
        )


def saved() -> None:
    """Which cells the looks save on the published studies, by primary metric and by gap."""
    for path in sorted(STUDIES.glob("*/result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        by_metric = {
            one["metric"]: np.array(list(one["by_seed"].values())) for one in result["differences"]
        }
        pairs = len(next(iter(by_metric.values())))
        for metric in ("val/loss_over_equal_fit", "val/loss_at_equal_fit", "gap/loss"):
            if metric not in by_metric:
                continue
            rule = RULE.model_copy(
                update={
                    "primary": metric,
                    "smallest_difference": 0.01,
                    "guards": {},
                    "looks": tuple(n for n in LOOKS if n <= pairs),
                }
            )
            kind, after = decided(by_metric[metric][:, np.newaxis], rule)
            print(
                f"{result['study']}, {metric}: {kind} after {after} of {pairs} pairs; "
                f"{2 * (pairs - after)} of {2 * pairs} cells saved"
            )
        both = [by_metric.get(f"val/loss_{which}_equal_fit") for which in ("over", "at")]
        if all(one is not None for one in both):
            over, at = (one.var(ddof=1) for one in both)
            print(f"{result['study']}: variance over the range / at the point = {over / at:.3f}")


@click.command()
@click.option("--studies", default=2_000, show_default=True)
def main(studies: int) -> None:
    rng = np.random.default_rng(0)
    limit = ALPHA + 2 * math.sqrt(ALPHA * (1 - ALPHA) / studies)
    print(f"{studies} studies each, looks {LOOKS}; limit: alpha + 2 binomial errors = {limit:.4f}")
    saved()
    ratio = OVER_RANGE.var(ddof=1) / AT_POINT.var(ddof=1)
    print(f"seeds 10 to 14 on AVX2: variance over the range / at the point = {ratio:.3f}")
    coverage(rng, studies)
    power(rng, studies)
    wrong(rng, studies)


if __name__ == "__main__":
    main()
