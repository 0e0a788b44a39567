"""Row 37: names from a user: refused by a pattern, or escaped wherever they are shown."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from html import escape

import mlflow
import numpy as np
import pytest

from conftest import ROOT, run_here
from fashion_dropout.config.study import parse_study, read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import csv_cell, markdown, message, visible
from fashion_dropout.prediction.pictures import Pictures
from fashion_dropout.prediction.predict import FilePredictions
from fashion_dropout.prediction.tables import format_records, to_records
from fashion_dropout.tracking.store import tags
from faulty import refusal
from recorded import record_study

SMOKE = ROOT / "experiments/dropout/smoke.toml"
HOSTILE = "<script>alert(1)</script> [a](b) `c` | * _d_ # =1+1"


@pytest.mark.parametrize(
    "name", ["a|b", "<b>x</b>", "a'b", "a\tb", "a\nb", "=1", "\x1b[31m", "A", "", "a" * 65, "é"]
)
def test_a_study_or_a_regime_with_such_a_name_is_refused(name):
    declared = parse_study_file()
    with pytest.raises(UsageError, match="regimes: expected a name"):
        parse_study({**declared, "regimes": {**declared["regimes"], name: {}}})
    with pytest.raises(UsageError, match="name: "):
        parse_study({**declared, "name": name})


def parse_study_file():

    return tomllib.loads(SMOKE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("question", ["two\nlines", "\x1b]0;owned\x07", "\u202etxt", "long" * 300])
def test_a_question_is_one_line_of_what_can_be_seen(question):
    with pytest.raises(UsageError, match="question: "):
        parse_study({**parse_study_file(), "question": question})
    with pytest.raises(UsageError, match="question_ja: "):
        parse_study({**parse_study_file(), "question_ja": question})


@pytest.mark.slow  # a report
def test_a_question_is_no_markup_in_the_report(store, workdir):
    declared = {**parse_study_file(), "question": HOSTILE}
    run_id = record_study(parse_study(declared))
    done = run_here("report", run_id, cwd=workdir, environment={"MLFLOW_TRACKING_URI": store})
    assert done.returncode == 0, done.stderr
    page = (workdir / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert escape(HOSTILE) in page


def test_the_note_of_a_study_is_escaped(store, workdir):
    """The study has no finished cells: what is recorded first is its note."""
    from fashion_dropout.studies.compare import compare_study

    declared = {**parse_study_file(), "question": HOSTILE}

    class StoppedError(Exception):
        pass

    class Display:
        def note(self, line): ...

        def begin(self, study, cells, all_cells):
            raise StoppedError

    with pytest.raises(StoppedError):
        compare_study(parse_study(declared), Display(), workers=1)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    note = run.data.tags["mlflow.note.content"]
    assert markdown(HOSTILE) in note
    assert "<script>" not in note
    assert run.data.tags[tags.QUESTION] == HOSTILE


NAMES = ["=1+1.png", "+1.png", "-1.png", "@x.png", "\t=1.png", "\r.png", "＝1.png", " =1.png"]


def records(name: str) -> list[dict]:
    probabilities = np.full((1, 10), 0.1, np.float32)
    pictures = Pictures(name, np.zeros((1, 28, 28, 1), np.uint8), "unchanged")
    classes = ("=class", *(f"c{i}" for i in range(9)))
    return to_records([FilePredictions(pictures, probabilities, None, classes)])


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_of_a_csv_file_is_a_formula(name):
    (row,) = csv.DictReader(io.StringIO(format_records(records(name), "csv")))
    assert row["file"] == "'" + visible(name)
    assert row["class"] == "'=class"
    assert row["probability"] == "0.1"
    assert csv_cell("1=1 - 2@x") == "1=1 - 2@x"


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_terminal_never_obeys_the_name_of_a_file(form):
    name = "a\x1b[31m\x9b2J\x07\r\n\u202eb\udce9\x7f 全角　名.png"
    text = format_records(records(name), form)
    for line in text.splitlines():
        assert line.replace("　", "").isprintable(), line
    assert "全角　名" in text
    if form == "json":
        assert json.loads(text)[0]["file"] == name
    else:
        assert len(text.splitlines()) == 2


def test_messages_are_one_line_whatever_they_quote(command, tmp_path):
    name = "a\x1b[31m\nb.toml"
    assert r"a\x1b[31m\nb.toml" in refusal(command("compare", name))
    done = command("predict", name, "--model", "./none.keras")
    refusal(done)
    assert "\x1b" not in done.stderr
    for arguments in (
        ("x" * 100_000,),
        ("train", "--dropout", "9" * 100_000),
        ("train", "--" + "x" * 100_000),
        ("compare", "x" * 100_000),
        ("report", "x" * 100_000),
    ):
        refusal(command(*arguments))
    assert list(tmp_path.iterdir()) == []


def test_long_values_of_a_study_are_not_echoed_whole(tmp_path):
    good = SMOKE.read_text(encoding="utf-8")
    for change in (
        ('name = "smoke"', f'name = "{"x" * 100_000}"'),
        ("seeds = [0, 1, 2]", f"seeds = [0x{'f' * 50_000}]"),
        ("seeds = [0, 1, 2]", f"seeds = [{'9' * 5_000}]"),
        ("seeds = [0, 1, 2]", f"seeds = {'[' * 50_000}"),
        ("[regimes.none]", f'[regimes."{"x" * 100_000}"]'),
        ("[base]", f"[base]\n{'x' * 100_000} = 1"),
    ):
        assert change[0] in good
        path = tmp_path / "study.toml"
        path.write_text(good.replace(*change), encoding="utf-8")
        with pytest.raises(UsageError) as refused:
            read_study(path)
        assert len(message(str(refused.value))) < 1_000 + len(str(path))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["p", "metric"])
def test_a_regime_is_not_called_as_a_column_of_the_tables(name):
    declared = parse_study_file()
    with pytest.raises(UsageError, match="which is a heading of the tables"):
        parse_study({**declared, "regimes": {**declared["regimes"], name: {}}})
