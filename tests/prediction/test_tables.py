"""Made-up predictions as records, and the records as text."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from fashion_dropout.learning.dataset import CLASSES, Synthetic
from fashion_dropout.prediction.pictures import Pictures
from fashion_dropout.prediction.predict import FilePredictions
from fashion_dropout.prediction.tables import format_records, to_records
from fashion_dropout.texts import LANGUAGES, texts


def predicted(file, count, *, classes=Synthetic.classes, masks=True):
    """Made-up predictions for a file with this many images."""
    rng = np.random.default_rng(count)
    probabilities = rng.dirichlet(np.ones(10), count).astype(np.float32)
    spreads = rng.random((count, 10), dtype=np.float32) if masks else None
    pictures = Pictures(file, np.zeros((count, 28, 28, 1), np.uint8), "grey, inverted")
    return FilePredictions(pictures, probabilities, spreads, classes)


@pytest.fixture
def predictions():
    """Of a file with one image and of one with three."""
    return [predicted("0.png", 1), predicted("images-idx3-ubyte", 3)]


@pytest.fixture
def records(predictions):
    """Two classes for each of these images."""
    return to_records(predictions, top=2)


def test_json_has_one_object_for_each_image(predictions, records):
    read = json.loads(format_records(records, "json"))
    assert [(image["file"], image["index"]) for image in read] == [
        ("0.png", 0),
        *(("images-idx3-ubyte", index) for index in range(3)),
    ]
    probabilities = np.concatenate([file.probabilities for file in predictions])
    spreads = np.concatenate([file.spreads for file in predictions])
    for image, row, spread in zip(read, probabilities, spreads, strict=True):
        assert image.keys() == {"file", "index", "prepared", "predictions"}
        assert image["prepared"] == "grey, inverted"
        first, second = image["predictions"]
        assert first.keys() == {"label", "class", "probability", "spread"}
        assert [first["label"], second["label"]] == np.argsort(-row)[:2].tolist()
        for one in (first, second):
            assert one["class"] == f"pattern {one['label']}"  # the name that the model has for it
            assert np.float32(one["probability"]) == row[one["label"]]
            assert np.float32(one["spread"]) == spread[one["label"]]
        assert 1 >= first["probability"] >= second["probability"] >= 0


def test_of_equal_probabilities_the_lower_label_comes_first():
    file = predicted("0.png", 1)
    file.probabilities[:] = 0.1
    ((record),) = to_records([file], top=10)
    assert [one["label"] for one in record["predictions"]] == list(range(10))


def test_csv_has_a_row_for_each_class_of_each_image(records):
    rows = list(csv.DictReader(io.StringIO(format_records(records, "csv"))))
    assert list(rows[0]) == [
        "file", "index", "rank", "label", "class", "probability", "spread", "prepared",
    ]  # fmt: skip
    assert [(row["file"], row["index"], row["rank"]) for row in rows[1:4]] == [
        ("0.png", "0", "2"),
        ("images-idx3-ubyte", "0", "1"),
        ("images-idx3-ubyte", "0", "2"),
    ]
    found = [one for image in records for one in image["predictions"]]
    for row, one in zip(rows, found, strict=True):
        assert np.float32(row["probability"]) == np.float32(one["probability"])
        assert row["probability"] == repr(one["probability"])


def test_the_table_has_a_line_for_each_class_of_each_image(records):
    lines = format_records(records, "table").splitlines()
    assert lines[0].split() == [
        "file", "index", "rank", "label", "class", "probability", "spread", "prepared",
    ]  # fmt: skip
    assert len(lines) == 1 + 2 * 4
    assert f"  {records[0]['predictions'][0]['probability']:.4f}  " in lines[1]


def test_the_table_is_aligned_in_japanese():
    real = [predicted("0.png", 1, classes=CLASSES, masks=False)]
    japanese = to_records(real, "ja", top=10)
    header, *rows = format_records(japanese, "table").splitlines()
    assert "index" not in header  # each file has one image
    assert "spread" not in header
    columns = {row.encode("shift_jis").rindex(b"0.") for row in rows}  # two bytes where two wide
    assert columns == {header.index("probability")}
    assert {row.split()[3] for row in rows} == set(texts("ja")["classes"].values())


def test_a_line_break_in_the_name_of_a_file_does_not_break_the_table():
    records = to_records([predicted("two\nlines.png", 1)])
    assert len(format_records(records, "table").splitlines()) == 2
    assert json.loads(format_records(records, "json"))[0]["file"] == "two\nlines.png"


def test_every_class_of_the_dataset_has_a_name_in_each_language():
    for language in LANGUAGES:
        assert tuple(texts(language)["classes"]) == CLASSES
        assert len(set(texts(language)["classes"].values())) == len(CLASSES)
    assert tuple(texts("en")["classes"].values()) == CLASSES


def test_a_class_that_is_not_of_the_dataset_keeps_its_name():
    (record,) = to_records([predicted("0.png", 1)], "ja")
    (best,) = record["predictions"]
    assert best["class"] == f"pattern {best['label']}"
