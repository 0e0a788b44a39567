"""Images whose label every run of a study doubts, by its recorded predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fashion_dropout.comparison.record import StudyRecord
from fashion_dropout.learning.examples import Examples

CONFIDENCE = 0.9
"""An image is doubtful if each run gives another class than the label at least this."""

PARTS = ("test", "validation")
"""Of the data, whose predictions a run records."""

Predictions = Mapping[tuple[str, int], Mapping[str, NDArray[np.float32]]]
"""(regime, seed) → part → probabilities, float32 of shape (n, classes)."""


def recorded_predictions(
    record: StudyRecord, data: Mapping[str, Examples], classes: tuple[str, ...]
) -> Iterator[tuple[tuple[str, int], Mapping[str, NDArray[np.float32]]]]:
    """(regime, seed) → part → probabilities, of the runs that have recorded both parts."""
    from fashion_dropout.studies.predictions import read_predictions

    for regime, seed, uri in record.runs[["regime", "seed", "artifact_uri"]].itertuples(
        index=False
    ):
        test, validation = read_predictions(uri, len(classes)) or (None, None)
        if test is None or validation is None:
            continue
        parts = dict(zip(PARTS, (test, validation), strict=True))
        if all(np.array_equal(parts[part][1], data[part].labels) for part in PARTS):
            yield (str(regime), int(seed)), {part: parts[part][0] for part in PARTS}


def doubtful_images(
    part: str, examples: Examples, predicted: Predictions, classes: tuple[str, ...]
) -> pd.DataFrame:
    """A row for each image of a part that every run doubts, with the columns part, place (in it,
    from 0), label, said (what most runs say) and confidence (the mean).
    """
    labels, places = examples.labels, np.arange(len(examples))
    sure = np.ones(len(labels), dtype=bool)
    total = np.zeros((len(labels), len(classes)))
    for probabilities in (of[part] for of in predicted.values()):
        others = probabilities.astype(np.float64)
        others[places, labels] = 0
        sure &= others.max(axis=1) >= CONFIDENCE
        total += others
    mean = total[sure] / len(predicted)
    names = np.array(classes, dtype=object)
    return pd.DataFrame(
        {
            "part": part,
            "place": places[sure],
            "label": names[labels[sure]],
            "said": names[mean.argmax(axis=1)],
            "confidence": mean.max(axis=1),
        }
    )
