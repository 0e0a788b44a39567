"""Images in, classes out: finds the model, reads the images, predicts, and lays the answer out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import east_asian_width

from fashion_dropout import provenance
from fashion_dropout.errors import DataError
from fashion_dropout.learning.dataset import CLASSES
from fashion_dropout.tracking import served

if TYPE_CHECKING:
    from fashion_dropout.learning.inference import Probabilities
    from fashion_dropout.learning.pictures import Invert, Pictures

_IN_FOLDERS = (".png", ".jpg", ".jpeg", "idx3-ubyte", "idx3-ubyte.gz")

Format = Literal["table", "json", "csv"]
Language = Literal["en", "ja"]

CLASSES_IN_JAPANESE = (
    "Tシャツ/トップス",
    "ズボン",
    "プルオーバー",
    "ドレス",
    "コート",
    "サンダル",
    "シャツ",
    "スニーカー",
    "バッグ",
    "アンクルブーツ",
)
"""The class names, by label, as `learning.dataset.CLASSES` has them in English."""


@dataclass(frozen=True)
class Predicted:
    """What a model says of the images of one file.

    Attributes:
        pictures: The n images.
        probabilities: Of the classes, float32 of shape (n, 10); means, if there are spreads.
        spreads: Standard deviations over dropout masks, float32 of shape (n, 10); or None.
        classes: The names of the classes, by label, as they are stored with the model.
    """

    pictures: Pictures
    probabilities: Probabilities
    spreads: Probabilities | None
    classes: tuple[str, ...] = CLASSES


def predict(
    paths: Iterable[str],
    complain: Callable[[str], object],
    *,
    model: str,
    model_name: str,
    invert: Invert = "auto",
    masks: int = 0,
    threads: int = 0,
) -> list[Predicted]:
    """Predict the classes of images in files.

    Args:
        paths: Files and folders, see `image_files`.
        complain: Told, in a line, of each that cannot be read; the others are predicted.
        model: As for `tracking.locate.locating`.
        model_name: As for `tracking.locate.locating`.
        invert: As for `learning.pictures.read_pictures`.
        masks: How many dropout masks to predict under; 0 for none, with dropout off.
        threads: As for `learning.runtime.start_tensorflow`; 0 for one for each core.

    Returns:
        One for each file that could be read, in the order of `paths`.

    Raises:
        UsageError: There is no such model, or it has no dropout for masks.
        DataError: The model is damaged.
        TrackingError: MLflow's store does not answer.
    """
    from fashion_dropout.tracking.locate import locating

    with locating(model, model_name) as find:
        read = list(_readable(paths, complain, invert))
        if not read:
            return []
        from fashion_dropout.learning.runtime import start_tensorflow

        start_tensorflow(threads or provenance.cores())
        import numpy as np

        from fashion_dropout.learning import inference

        weights = find()
        classifier = inference.load_classifier(weights)
        classes = _classes(weights)
    images = np.concatenate([pictures.images for pictures in read])
    spreads = None
    if masks:
        probabilities, spreads = inference.predict_with_dropout(classifier, images, masks)
    else:
        probabilities = inference.predict(classifier, images)
    predicted, start = [], 0
    for pictures in read:
        part = slice(start, start := start + len(pictures.images))
        spread = None if spreads is None else spreads[part]
        predicted.append(Predicted(pictures, probabilities[part], spread, classes))
    return predicted


def image_files(path: Path) -> list[Path]:
    """The files that a path stands for: itself, or the image files of a folder.

    Args:
        path: A file or a folder. Of a folder those files count whose names end in ``.png``,
            ``.jpg``, ``.jpeg``, ``idx3-ubyte`` or ``idx3-ubyte.gz``, in lower or upper case, and do
            not begin with a dot. Folders in it are left alone.

    Returns:
        At least one; those of a folder sorted by name.

    Raises:
        DataError: There is none in the folder, or it cannot be read.
    """
    if not path.is_dir():
        return [path]
    try:
        found = sorted(
            entry
            for entry in path.iterdir()
            if entry.name.lower().endswith(_IN_FOLDERS)
            and not entry.name.startswith(".")
            and entry.is_file()
        )
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable folder, received: {error.strerror}"
        ) from error
    if not found:
        raise DataError(f"{path}: expected PNG, JPEG or IDX files in the folder, received none")
    return found


def records(
    predicted: Iterable[Predicted], language: Language = "en", top: int = 1
) -> list[dict[str, Any]]:
    """One object an image, as the JSON has it; the most probable classes first.

    Args:
        predicted: As `predict` gives it.
        language: Of the class names; ``ja`` for those of Fashion-MNIST only.
        top: How many classes of each image, at least 1.
    """
    found = []
    for file in predicted:
        translated = language == "ja" and file.classes == CLASSES
        names = CLASSES_IN_JAPANESE if translated else file.classes
        for index, probabilities in enumerate(file.probabilities):
            classes: list[dict[str, Any]] = []
            for label in (-probabilities).argsort(kind="stable")[:top]:
                probability = _shortest(probabilities[label])
                classes.append(
                    {"label": int(label), "class": names[label], "probability": probability}
                )
                if file.spreads is not None:
                    classes[-1]["spread"] = _shortest(file.spreads[index, label])
            image = {"file": file.pictures.file, "index": index}
            found.append({**image, "prepared": file.pictures.prepared, "predictions": classes})
    return found


def lay_out(found: Sequence[dict[str, Any]], form: Format) -> str:
    """Records as text, with a line break at its end.

    Args:
        found: As `records` gives it, at least one.
        form: ``json``, or a row for each class of each image: ``csv``, or ``table`` for people.
    """
    if form == "json":
        return json.dumps(found, ensure_ascii=False, indent=2) + "\n"
    rows = [
        {"file": image["file"], "index": image["index"], "rank": rank}
        | of
        | {"prepared": image["prepared"]}
        for image in found
        for rank, of in enumerate(image["predictions"], 1)
    ]
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    hidden = () if any(image["index"] for image in found) else ("index",)
    columns = [name for name in rows[0] if name not in hidden]
    cells = [columns, *([_cell(row[name]) for name in columns] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "".join(_line(line, widths) for line in cells)


def _readable(
    paths: Iterable[str], complain: Callable[[str], object], invert: Invert
) -> Iterator[Pictures]:
    from fashion_dropout.learning.pictures import read_pictures

    for given in paths:
        try:
            if not given:  # which would be the working directory
                raise DataError("expected the name of an image file, received an empty one")
            files = image_files(Path(given))
        except DataError as error:
            complain(str(error))
            continue
        for file in files:
            try:
                yield read_pictures(file, invert)
            except DataError as error:
                complain(str(error))


def _classes(weights: Path) -> tuple[str, ...]:
    """The names beside the weights of a model's folder; for a bare file, those of the dataset."""
    beside = weights.parents[1] / served.CLASSES if weights.parent.name == "data" else weights
    if beside == weights or not beside.is_file():
        return CLASSES
    return tuple(json.loads(beside.read_text(encoding="utf-8")))


def _shortest(value: Any) -> float:
    """The number with the fewest digits that means this float32."""
    return float(str(value))


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _width(text: str) -> int:
    """Columns of a terminal; Japanese characters take two."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(c) in "WF") for c in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip() + "\n"
