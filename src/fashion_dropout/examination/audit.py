"""Whose label is it? Images whose label every run doubts, and test images with a near-twin."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.comparison.statistics import Difference
from fashion_dropout.config.metrics import Direction
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.examination.doubt import (
    CONFIDENCE,
    PARTS,
    Predictions,
    doubtful_images,
    recorded_predictions,
)
from fashion_dropout.examination.twins import NEAR, NEARER, near_twins
from fashion_dropout.learning import metrics
from fashion_dropout.learning.examples import Examples
from fashion_dropout.learning.split import split_of
from fashion_dropout.texts import Count, texts
from fashion_dropout.tracking.store import tags

_SHOWN = 24
_MEASURES: Mapping[str, Direction] = {"accuracy": "higher", "nll": "lower"}


def _text(
    record: StudyRecord,
    runs: int,
    doubtful: pd.DataFrame,
    twins: pd.DataFrame,
    compared: Mapping[tuple[str, str], Sequence[tuple[Difference, Difference]]],
) -> str:
    """What was found, for a terminal."""
    from fashion_dropout.comparison.figures import with_interval
    from fashion_dropout.plain_table import plain_table

    counts = doubtful["part"].value_counts()
    parts = " and ".join(f"{counts.get(part, 0)} {part}" for part in PARTS)
    nearer = int((twins["distance"] < NEARER).sum())
    differing = int((twins["label"] != twins["twin_label"]).sum())
    rows = [["stored models", "regime", "all images", "without these images"]]
    rows += [
        [f"{part} {measure}", every.regime, with_interval(every), with_interval(without)]
        for (part, measure), differences in compared.items()
        for every, without in differences
    ]
    return (
        f"{record.key}: {Count(runs):run|runs}\n"
        f"doubtful labels: {parts} images, for which each run is at least {CONFIDENCE:.0%} "
        "sure of another class\n"
        f"near-twins: {Count(len(twins)):test image|test images} nearer than {NEAR} to a "
        f"training or validation image, {nearer} of them nearer than {NEARER}; "
        f"{Count(differing):pair has|pairs have} different labels\n\n"
        f"differences from {record.rule.baseline}, "
        f"{100 * (1 - record.rule.alpha):g} % CI:\n{plain_table(rows)}\n"
        "Metrics over epochs, such as the primary one at equal fit, cannot be computed "
        "without single images: what is recorded of each image belongs to the stored models."
    )


def _contact_sheet(doubtful: pd.DataFrame, data: Mapping[str, Examples]) -> bytes:
    """A contact sheet of the doubtful images, PNG."""
    from fashion_dropout.reports.pictures import picture
    from fashion_dropout.reports.plots.examination import contact_sheet

    words = texts("en")["plots"]
    rows = doubtful.head(_SHOWN).to_dict("records")
    images = [data[row["part"]].images[row["place"], ..., 0] for row in rows]
    captions = [
        words["doubt"].format(
            part=row["part"], place=row["place"], label=row["label"], said=row["said"],
            share=row["confidence"],
        )
        for row in rows
    ]  # fmt: skip
    title = words["doubtful"].format(shown=len(rows), n=Count(len(doubtful)))
    return picture(contact_sheet(np.array(images), captions, title, "en")).png


def audit_study(run_id: str, say: Callable[[str], object], *, data_dir: Path | None) -> None:
    """Look for doubtful labels and near-twins with the recorded predictions of a study.

    The result is said first, because not everybody may write into the study's run. Then tables and
    contact sheet become its artifacts: ``audit_labels.csv``, ``audit_twins.csv``, ``audit.png``.

    Without a folder of the data, it is looked for in the usual places.

    Raises:
        UsageError: There is no such study, or its runs do not share one split.
        DataError: The dataset is missing or damaged.
        TrackingError: No run has recorded predictions of these images, or the store is away.
    """
    from fashion_dropout.studies.read import images_of, read_record
    from fashion_dropout.tracking.recording.added import add_files
    from fashion_dropout.tracking.store.connect import connect_to_existing

    connect_to_existing()
    record = read_record(run_id)
    dataset = images_of(record, data_dir)
    moves = record.splits or "split" in record.sources
    if moves or len(record.environment[tags.SPLIT_SHA256]) > 1:
        raise UsageError(
            f"expected a study whose runs share one split, received {record.key}, in which it "
            "varies: no validation image is one of all runs"
        )
    split = split_of(dataset, record.common["split_seed"])
    data = {"test": dataset.test(), "validation": split.validation}
    predicted = dict(recorded_predictions(record, data, dataset.classes))
    if not predicted:
        raise TrackingError(
            f"expected runs of study {run_id} with predictions of the images of "
            f"{dataset.name}, received none"
        )
    doubtful = pd.concat(
        [doubtful_images(part, data[part], predicted, dataset.classes) for part in PARTS]
    ).sort_values("confidence", ascending=False, kind="stable", ignore_index=True)
    say("comparing test images with training images")
    twins = near_twins(dataset, data["test"])
    compared = _compared(record, data, predicted, doubtful, twins)
    say(f"\n{_text(record, len(predicted), doubtful, twins, compared)}")
    with tempfile.TemporaryDirectory() as folder:
        doubtful.to_csv(Path(folder, "audit_labels.csv"), index=False)
        twins.to_csv(Path(folder, "audit_twins.csv"), index=False)
        Path(folder, "audit.png").write_bytes(_contact_sheet(doubtful, data))
        add_files(run_id, Path(folder))


def _compared(
    record: StudyRecord,
    data: Mapping[str, Examples],
    predicted: Predictions,
    doubtful: pd.DataFrame,
    twins: pd.DataFrame,
) -> dict[tuple[str, str], list[tuple[Difference, Difference]]]:
    """(part, measure) → for each regime the difference with all images, and without the doubtful
    ones and, of the test set, without those with a near-twin.
    """
    found = {}
    for part in PARTS:
        left_out = doubtful.loc[doubtful["part"] == part, "place"].to_numpy(dtype=int)
        if part == "test":
            left_out = np.union1d(left_out, twins["place"].to_numpy(dtype=int))
        remaining = np.setdiff1d(np.arange(len(data[part])), left_out)
        every = _table(part, data[part], predicted, slice(None))
        nothing = every.assign(**dict.fromkeys(_MEASURES, math.nan))
        without = _table(part, data[part], predicted, remaining) if len(remaining) else nothing
        for measure, direction in _MEASURES.items():
            found[part, measure] = [
                (record.difference(every, measure, regime, direction),
                 record.difference(without, measure, regime, direction))
                for regime in record.others
            ]  # fmt: skip
    return found


def _table(
    part: str, examples: Examples, predicted: Predictions, of: NDArray[np.int64] | slice
) -> pd.DataFrame:
    """A table of runs (see `comparison.statistics`) with the measures on some images."""
    labels = examples.labels[of]
    return pd.DataFrame(
        {
            "regime": regime,
            "seed": seed,
            "accuracy": float((parts[part][of].argmax(axis=1) == labels).mean()),
            "nll": metrics.negative_log_likelihood(parts[part][of], labels),
        }
        for (regime, seed), parts in predicted.items()
    )
