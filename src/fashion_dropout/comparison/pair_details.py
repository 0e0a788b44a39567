"""What pairs tell beside their mean: what pairing gained, how large the effect is, who agrees."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from fashion_dropout.comparison.pairing import unpaired_half_width
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.comparison.summary import table_of
from fashion_dropout.config.metrics import GAIN, Direction, described
from fashion_dropout.texts import Language, Signed, difference_label, regime_label, texts


@dataclass(frozen=True)
class Detail:
    """A small table of texts with headings for a person, maybe empty, and what its figures say."""

    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    sentences: tuple[str, ...] = ()


def pairing(record: StudyRecord, comparison: Comparison, language: Language) -> Detail:
    """Half the width of each interval, over pairs and as if there were none.

    With more than two regimes for the primary metric only.
    """
    words = texts(language)["pairing"]
    rows = []
    for difference in () if record.splits else _shown(comparison):
        unpaired = half_width_without_pairs(record, comparison, difference)
        paired = (difference.high - difference.low) / 2
        label = difference_label(difference.regime, comparison.rule.baseline, language)
        ratio = f"{unpaired / paired:.2f}" if paired > 0 else "–"
        rows.append((difference.metric, label, f"{paired:.4f}", f"{unpaired:.4f}", ratio))
    headings = ("metric", "difference", "paired", "unpaired", "ratio")
    return Detail(pd.DataFrame(rows, columns=[words[name] for name in headings]))


def half_width_without_pairs(
    record: StudyRecord, comparison: Comparison, difference: Difference
) -> float:
    """Half the width that the interval of a difference would have if its runs were not paired; NaN
    of several splits, where runs are not independent of each other anyway.
    """
    if record.splits:
        return math.nan
    return unpaired_half_width(*_both(record, comparison, difference), difference.confidence)


def effects(record: StudyRecord, comparison: Comparison, language: Language) -> Detail:
    """The differences in units of the spread between seeds, and how many pairs agree; and the
    probability that the regime is better, for those who think in it.

    With more than two regimes for the primary metric only, and not of several splits.
    """
    if record.splits:
        return Detail()
    words = texts(language)["effects"]
    rule = comparison.rule
    rows = []
    for difference in _shown(comparison):
        alone = replace(difference, confidence=1 - rule.alpha)  # not for all regimes together
        g, low, high = hedges_g(*_both(record, comparison, difference), alone)
        label = difference_label(difference.regime, rule.baseline, language)
        size = f"{Signed(g):+.2f} [{Signed(low):+.2f}, {Signed(high):+.2f}]"
        size = size if math.isfinite(g) else "–"
        agree = words["of"].format(better=difference.prob_better * difference.n, n=difference.n)
        agree = agree if math.isfinite(difference.prob_better) else "–"
        rows.append((difference.metric, label, size, agree))
    sentences = [
        words["chance"].format(
            regime=regime_label(difference.regime, language),
            chance=_percent(chance_better(difference, rule.direction)),
            beyond=_percent(chance_better(difference, rule.direction, rule.smallest_difference)),
            smallest=rule.smallest_difference,
        )
        for difference in (verdict.difference for verdict in comparison.verdicts)
        if difference.n > 1 and difference.low < difference.high
    ]
    headings = [words[name] for name in ("metric", "difference", "g", "better")]
    return Detail(pd.DataFrame(rows, columns=headings), tuple(sentences))


def hedges_g(
    own: NDArray[np.float64], baseline: NDArray[np.float64], pairs: Difference
) -> tuple[float, float, float]:
    """The mean difference in standard deviations between seeds, with its interval: Hedges' g.

    The standard deviation is that of the two regimes' mean variance, and the correction for few
    values that of 2n − 2 degrees of freedom, as in DABEST (Lakens 2013, g_av). The interval is that
    of the non-central t of the pairs, scaled (Algina and Keselman 2003). The values of the regime
    and those of the baseline are float64 of shape (n,).

    Returns:
        (g, low, high); NaN where all values of both regimes are equal.
    """
    spread = math.sqrt((own.var(ddof=1) + baseline.var(ddof=1)) / 2)
    error = float(stats.sem(list(pairs.by_seed.values())))
    if not spread > 1e-12 * max(np.abs(own).max(), np.abs(baseline).max()):  # but for rounding
        return math.nan, math.nan, math.nan
    half = pairs.n - 1  # of 2n − 2 degrees of freedom
    few = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
    g = few * pairs.mean / spread
    if not error > 0:
        return g, g, g
    low, high = noncentrality(pairs.mean / error, pairs.n - 1, pairs.confidence)
    return g, few * low * error / spread, few * high * error / spread


def noncentrality(t: float, freedom: int, confidence: float) -> tuple[float, float]:
    """The interval of the non-centrality of Student's t, given one value of it.

    P(T ≤ t) is the mean of Φ(t·s − δ) over the quantiles of the standard deviation s that is seen:
    SciPy's own function fails for the large t of clear differences.
    """
    seen = np.sqrt(stats.chi2.ppf((np.arange(1_000) + 0.5) / 1_000, freedom) / freedom)

    def below(delta: float) -> float:
        return float(stats.norm.cdf(t * seen - delta).mean())

    reach = 10 + abs(t) * float(seen.max())
    tails = ((1 + confidence) / 2, (1 - confidence) / 2)
    low, high = (
        optimize.brentq(lambda delta, tail=tail: below(delta) - tail, -reach, reach)
        for tail in tails
    )
    return float(low), float(high)


def chance_better(difference: Difference, direction: Direction, beyond: float = 0.0) -> float:
    """The probability that the regime is better by more than `beyond`, by Student's t.

    The posterior of the mean of normally distributed differences if every mean, and every logarithm
    of their standard deviation, was equally plausible beforehand (a flat prior). The difference is
    one of two pairs or more that are not all equal.
    """
    gain = GAIN[direction] * difference.mean
    error = float(stats.sem(list(difference.by_seed.values())))
    return float(stats.t.cdf((gain - beyond) / error, difference.n - 1))


def _shown(comparison: Comparison) -> list[Difference]:
    """The differences of two pairs or more: in the primary metric and, of one regime, in all others
    that have intervals.
    """
    several = len(comparison.verdicts) > 1
    return [
        difference
        for difference in comparison.differences
        if difference.n > 1
        and (
            difference.metric == comparison.rule.primary
            or not (several or described(difference.metric))
        )
    ]


def _both(
    record: StudyRecord, comparison: Comparison, difference: Difference
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values of the regime and of the baseline in the pairs of a difference."""
    table = table_of(difference.metric, difference.regime, record.runs, comparison)
    complete = table[table["seed"].isin(list(difference.by_seed))]
    own, base = (
        complete.loc[complete["regime"] == regime, difference.metric].to_numpy(dtype=float)
        for regime in (difference.regime, comparison.rule.baseline)
    )
    return own, base


def _percent(share: float) -> str:
    """A probability of which no more is said than is known."""
    if share > 0.999:
        return "> 99.9 %"
    return f"{100 * share:.3g} %" if share >= 0.001 else "< 0.1 %"
