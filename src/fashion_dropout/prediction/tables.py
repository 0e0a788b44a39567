"""Predictions as records, and the records as JSON, as CSV and as a table for people."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fashion_dropout.escapes import csv_cell, visible
from fashion_dropout.plain_table import plain_table
from fashion_dropout.texts import Language, texts

if TYPE_CHECKING:
    from fashion_dropout.prediction.predict import FilePredictions

Format = Literal["table", "json", "csv"]


def to_records(
    predictions: Iterable[FilePredictions], language: Language = "en", top: int = 1
) -> list[dict[str, Any]]:
    """Make one record for each image, as the JSON has it.

    Args:
        predictions: As `predict.predict` returns them.
        language: The language of the class names. A class that is not one of Fashion-MNIST keeps
            its name.
        top: The number of classes in each record, at least 1. The most probable class comes first.

    Returns:
        Dictionaries with ``file``, ``index`` (of the image in its file, from 0), ``prepared`` and
        ``predictions``. Each prediction has ``label``, ``class``, ``probability`` and, if dropout
        masks were used, ``spread``.
    """
    translated = texts(language)["classes"]
    records = []
    for file in predictions:
        names = [translated.get(name, name) for name in file.classes]
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
            records.append({**image, "prepared": file.pictures.prepared, "predictions": classes})
    return records


def format_records(records: Sequence[dict[str, Any]], form: Format) -> str:
    """Write records as text that ends with a line break.

    Args:
        records: As `to_records` returns them, at least one.
        form: ``json``; or one row for each class of each image, as ``csv`` or as a ``table`` for
            people. The table leaves the index out if every file has one image. JSON alone keeps
            each name as it is: in the others, escape sequences stand for control characters, and
            an apostrophe is put in front of what a spreadsheet would take for a formula.
    """
    if form == "json":
        shown = json.dumps(records, ensure_ascii=False, indent=2)
        return re.sub(r"[^\n -~]", _in_json, shown) + "\n"
    rows = [
        {"file": image["file"], "index": image["index"], "rank": rank}
        | prediction
        | {"prepared": image["prepared"]}
        for image in records
        for rank, prediction in enumerate(image["predictions"], 1)
    ]
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: csv_cell(of) if isinstance(of, str) else of for name, of in row.items()}
            for row in rows
        )
        return text.getvalue()
    hidden = () if any(image["index"] for image in records) else ("index",)
    columns = [name for name in rows[0] if name not in hidden]
    return plain_table([columns, *([_cell(row[name]) for name in columns] for row in rows)])


def _in_json(found: re.Match[str]) -> str:
    """A character of a JSON text; one that a terminal would obey as an escape sequence of JSON."""
    return found[0] if visible(found[0]) == found[0] else json.dumps(found[0])[1:-1]


def _shortest(value: Any) -> float:
    """Return the number with the fewest digits that stands for this float32."""
    return float(str(value))


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
