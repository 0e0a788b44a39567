"""The stored models of a study under corrupted test images: robust, or only accurate?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison import statistics
from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.splits import with_splits
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.errors import TrackingError
from fashion_dropout.examination.corruptions import CORRUPTIONS, SEVERITIES, corrupted
from fashion_dropout.learning import metrics
from fashion_dropout.provenance import cores
from fashion_dropout.texts import Count, Language

CLEAN = "clean"


@dataclass(frozen=True)
class Stress:
    """How the models of a study stand corrupted images.

    Attributes:
        images: How many test images there were.
        table: A row for each run, corruption (`CLEAN` among them) and severity (0 for that one),
            with the columns regime, seed, corruption, severity, accuracy and nll (nats).
    """

    record: StudyRecord
    images: int
    table: pd.DataFrame

    def differences(self) -> list[Difference]:
        """For each corruption and regime the difference in accuracy, mean over the severities.

        Their p-values are adjusted as one family, without that of the images as they are.
        """
        runs = self.table.pivot_table("accuracy", ["regime", "seed"], "corruption").reset_index()
        others = self.record.others
        found = [
            self.record.difference(runs, kind, regime, "higher")
            for kind in (CLEAN, *CORRUPTIONS)
            for regime in others
        ]
        return [*found[: len(others)], *statistics.with_holm(found[len(others) :])]

    def text(self) -> str:
        """The differences as a table, for a terminal."""
        from fashion_dropout.comparison.figures import mean_text
        from fashion_dropout.plain_table import plain_table
        from fashion_dropout.texts import Signed

        mean = self.table.groupby(["corruption", "regime"])["accuracy"].mean()
        baseline = self.record.rule.baseline
        confidence = f"{100 * (1 - self.record.rule.alpha):g} % CI"
        header = ["accuracy", baseline, "regime", "", "difference", confidence, "p", "p (Holm)"]
        rows = [header]
        for of in self.differences():
            ends = f"[{Signed(of.low):+.4f}, {Signed(of.high):+.4f}]"
            interval = ends if np.isfinite(of.low) else ""
            tests = [f"{of.p:.3g}", f"{of.p_holm:.3g}"] if of.n else ["–", "–"]
            rows.append(
                [
                    of.metric,
                    f"{mean[of.metric, baseline]:.4f}",
                    of.regime,
                    f"{mean[of.metric, of.regime]:.4f}",
                    mean_text(of.metric, of.mean, np.nan, np.nan, "+"),
                    interval,
                    *(tests if of.metric != CLEAN else ["", ""]),
                ]
            )
        models = self.table[["regime", "seed"]].drop_duplicates()
        return (
            f"{self.record.key}: {Count(len(models)):model|models}, the first {self.images:,} test "
            f"images, each corruption at {len(SEVERITIES)} severities (means of them)\n\n"
            f"{plain_table(rows)}"
        )

    def figure(self, language: Language) -> bytes:
        """Accuracy over the severity of each corruption, PNG."""
        from fashion_dropout.reports.pictures import picture
        from fashion_dropout.reports.plots.examination import under_corruption

        return picture(under_corruption(self.table, list(self.record.regimes), language)).png


def stress_study(
    run_id: str, say: Callable[[str], object], *, data_dir: Path | None, images: int
) -> None:
    """Predict corrupted test images with every stored model of a study, and record the result: with
    5,000 images and 20 models, 3 million predictions.

    The result is said first, because not everybody may write into the study's run. Then table and
    figure become its artifacts: ``stress.csv``, ``stress.png``.

    Without a folder of the data, it is looked for in the usual places.

    Raises:
        UsageError: There is no such study.
        DataError: The dataset or a model is missing or damaged.
        TrackingError: A regime has no finished run, or the store does not answer.
    """
    from fashion_dropout.studies.read import images_of, read_record
    from fashion_dropout.tracking.recording.added import add_files
    from fashion_dropout.tracking.store.connect import connect_to_existing

    connect_to_existing()
    record = read_record(run_id)
    regimes = set(record.runs["regime"])
    if lacking := [regime for regime in record.regimes if regime not in regimes]:
        raise TrackingError(
            f"expected a study with a finished run of each regime, received {run_id} without one "
            f"of {', '.join(lacking)}"
        )
    dataset = images_of(record, data_dir)
    test = dataset.test()
    rows = list(_predicted(record, test.images[:images], test.labels[:images], say))
    found = Stress(record, min(images, len(test)), pd.DataFrame(rows))
    say(f"\n{found.text()}")
    with tempfile.TemporaryDirectory() as folder:
        with_splits(found.table).to_csv(Path(folder, "stress.csv"), index=False)
        Path(folder, "stress.png").write_bytes(found.figure("en"))
        add_files(run_id, Path(folder))


def _predicted(
    record: StudyRecord,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    say: Callable[[str], object],
) -> Iterator[dict[str, object]]:
    """A row for each run, corruption and severity."""
    from fashion_dropout.learning.runtime import start_tensorflow
    from fashion_dropout.tracking.models.locate import stored_weights

    start_tensorflow(cores())
    from fashion_dropout.learning.inference import load_classifier, predictor

    weights = {}
    for regime, seed, run_id in record.runs[["regime", "seed", "run_id"]].itertuples(index=False):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as download:
            classifier = load_classifier(stored_weights(run_id, Path(download)))
        weights[regime, seed] = classifier.get_weights()
    predict = predictor(classifier)
    for kind in (CLEAN, *CORRUPTIONS):
        say(f"predicting {kind} images")
        for severity in SEVERITIES if kind != CLEAN else (0,):
            shown = corrupted(images, kind, severity) if severity else images
            for (regime, seed), of_run in weights.items():
                classifier.set_weights(of_run)
                probabilities = predict(shown)
                yield {
                    "regime": regime,
                    "seed": seed,
                    "corruption": kind,
                    "severity": severity,
                    "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
                    "nll": metrics.negative_log_likelihood(probabilities, labels),
                }
