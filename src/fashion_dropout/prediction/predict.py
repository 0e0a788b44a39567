"""Find the model, read the images, and predict their classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_dropout import provenance
from fashion_dropout.errors import DataError
from fashion_dropout.escapes import brief
from fashion_dropout.files import LARGEST_TEXT, read_file
from fashion_dropout.learning.dataset import CLASSES
from fashion_dropout.learning.own_images import OwnImages
from fashion_dropout.tracking.models import loader

if TYPE_CHECKING:
    from fashion_dropout.learning.inference import Probabilities
    from fashion_dropout.prediction.pictures import Invert, Pictures


@dataclass(frozen=True)
class FilePredictions:
    """The predictions for the images of one file.

    Attributes:
        pictures: The file, with n images.
        probabilities: The probabilities of the classes, float32 of shape (n, 10). With dropout
            masks, their means over the masks.
        spreads: The standard deviations over the masks, float32 of shape (n, 10). None without
            masks.
        classes: The names of the classes, by label, as they are stored with the model.
    """

    pictures: Pictures
    probabilities: Probabilities
    spreads: Probabilities | None
    classes: tuple[str, ...]


def predict(
    paths: Iterable[str],
    on_error: Callable[[str], object],
    say: Callable[[str], object],
    *,
    model: str,
    model_name: str,
    invert: Invert = "auto",
    masks: int | None = None,
) -> list[FilePredictions]:
    """Predict the classes of the images in files.

    Args:
        paths: Files and folders, as `pictures.image_files` takes them.
        on_error: Called with one line for each file that cannot be read. The other files are
            predicted.
        say: Called with one line for each folder of which something is left out.
        model: As for `tracking.models.locate.locating`.
        model_name: As for `tracking.models.locate.locating`.
        invert: As for `pictures.read_pictures`.
        masks: Average over this many dropout masks, at least 2. None predicts with dropout off.

    Returns:
        The predictions for each file that could be read, in the order of `paths`.

    Raises:
        UsageError: There is no such model, or masks are asked for and it has no dropout.
        DataError: The model is damaged.
        TrackingError: MLflow's store does not answer.
    """
    from fashion_dropout.tracking.models.locate import locating

    with locating(model, model_name) as find_weights:
        files = list(_read_all(paths, on_error, say, invert))
        if not files:
            return []
        from fashion_dropout.learning.runtime import start_tensorflow

        start_tensorflow(provenance.cores())
        import numpy as np

        from fashion_dropout.learning import inference

        weights = find_weights()
        classifier = inference.load_classifier(weights)
        classes = _read_classes(weights, classifier.name)
    images = np.concatenate([pictures.images for pictures in files])
    spreads = None
    if masks is None:
        probabilities = inference.predict(classifier, images)
    else:
        probabilities, spreads = inference.predict_with_dropout(classifier, images, masks)
    predictions, start = [], 0
    for pictures in files:
        part = slice(start, start := start + len(pictures.images))
        spread = None if spreads is None else spreads[part]
        predictions.append(FilePredictions(pictures, probabilities[part], spread, classes))
    return predictions


def _read_all(
    paths: Iterable[str],
    on_error: Callable[[str], object],
    say: Callable[[str], object],
    invert: Invert,
) -> Iterator[Pictures]:
    from fashion_dropout.prediction.pictures import image_files, read_pictures

    for path in paths:
        try:
            if not path:  # Path("") would be the working directory
                raise DataError("expected the name of an image file, received an empty one")
            files = image_files(Path(path), say)
        except DataError as error:
            on_error(str(error))
            continue
        for file in files:
            try:
                yield read_pictures(file, invert)
            except DataError as error:
                on_error(str(error))


def _read_classes(weights: Path, model: str) -> tuple[str, ...]:
    """Read the class names in the model's folder.

    Of a bare file it is only known whether it was trained on Fashion-MNIST: by the name of the
    model in it.
    """
    weights = weights.absolute()  # "model.keras" alone has no second parent
    stored = weights.parent.parent / loader.CLASSES_FILE
    if weights.parent.name != "data" or not stored.is_file():
        from fashion_dropout.learning.model import CLASSIFIER

        return CLASSES if model == CLASSIFIER else OwnImages.classes
    try:
        names = json.loads(read_file(stored, LARGEST_TEXT))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{stored}: expected the names of the classes, received: {error}"
        ) from error
    if not isinstance(names, list) or [type(name) for name in names] != [str] * len(CLASSES):
        raise DataError(
            f"{stored}: expected {len(CLASSES)} names of classes, received {brief(names)}"
        )
    return tuple(names)
