"""Which figures a study has, and the data from which each is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fashion_dropout.comparison.record import StudyRecord, TestResults
from fashion_dropout.comparison.regimes import Comparison
from fashion_dropout.comparison.summary import values_of_runs
from fashion_dropout.config.cell import seed_and_split
from fashion_dropout.reports.plots import metrics, predictions
from fashion_dropout.reports.plots.equal_fit import equal_fit
from fashion_dropout.reports.plots.pairs import paired_differences
from fashion_dropout.texts import Language


def study_figures(
    record: StudyRecord, comparison: Comparison, language: Language
) -> Iterator[tuple[str, Figure]]:
    """Every figure for which there is data, with its name, in the order in which to read them."""
    regimes, runs, histories = list(record.regimes), record.runs, record.histories
    differences = [verdict.difference for verdict in comparison.verdicts]
    if not histories.empty:
        yield "study_curves", metrics.study_curves(histories, regimes, language)
    if any(difference.n for difference in differences):
        values = values_of_runs(runs, comparison)
        yield "paired_differences", paired_differences(differences, values, record.rule, language)
    if not histories.empty:
        if (histories["train/loss"] > 0).any():  # its axis is logarithmic
            compared = (record.foremost, record.fit_curve) if record.fit_curve else None
            yield "equal_fit", equal_fit(histories, regimes, compared, record.rule, language)
        yield "gap_over_epochs", metrics.gap_over_epochs(histories, regimes, language)
        if histories[["train/accuracy", "val/accuracy"]].notna().any(axis=None):
            yield "accuracy_curves", metrics.study_curves(histories, regimes, language, "accuracy")
    if record.doses and not runs.empty:
        shown = (record.rule.primary, *record.rule.secondary, "val/loss")
        present = [metric for metric in dict.fromkeys(shown) if metric in runs][:4]
        if present:  # the metrics of pairs are no metrics of a run
            parameter, doses = record.doses
            yield "dose_response", metrics.dose_response(runs, doses, parameter, present, language)
    if record.results:
        yield from _of_the_test_set(record.results, record, record.foremost, language)


def _of_the_test_set(
    results: TestResults, record: StudyRecord, regime: str, language: Language
) -> Iterator[tuple[str, Figure]]:
    baseline, regimes = record.rule.baseline, list(record.regimes)
    images = int(next(iter(results.confusion.values())).sum())
    yield "reliability", predictions.reliability(results.bins, regimes, images, language)
    seeds = [
        seed
        for seed in record.seeds
        if {(baseline, seed), (regime, seed)} <= results.confusion.keys()
    ]
    if not seeds:
        return
    f1 = results.f1
    changes = pd.DataFrame(
        {seed: f1[regime, seed] - f1[baseline, seed] for seed in seeds}, index=results.classes
    )
    yield "f1_change", predictions.f1_change(changes, regime, baseline, language)
    shares = {}
    for name in (baseline, regime):
        counts = np.stack([results.confusion[name, seed] for seed in seeds])
        shares[name] = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    yield "confusion_change", predictions.confusion_change(shares, seeds, results.classes, language)
    if found := results.disagreements:
        own = len({seed_and_split(pair)[0] for pair in seeds})
        yield "disagreements", predictions.disagreements(found, results.classes, own, language)
