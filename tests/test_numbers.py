"""One source for numbers: every number with a unit that a page shows was printed by a command.

It is a value or a block of a published study (`publish` writes it), a value of
benchmarks/results.toml (`.ci/results.py` writes it), or named below as what is no measurement.
"""

from __future__ import annotations

import json
import math
import re
import runpy
import tomllib
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from conftest import ROOT, script
from fashion_dropout.config.promotion import read_policy
from fashion_dropout.config.study import read_study
from fashion_dropout.studies.others import SILENT_SECONDS
from fashion_dropout.studies.patience import AWAY_SECONDS
from fashion_dropout.tracking.store.timeouts import QUESTION_SECONDS

STUDIES = ROOT / "experiments/dropout"
FILES = sorted((ROOT / "experiments").glob("*/*.toml"))
PLACES = (
    "README*.md",
    "docs/*.md",
    "experiments/**/*.md",
    "experiments/**/*.ipynb",
    "benchmarks/*.md",
)
PAGES = [path for place in PLACES for path in sorted(ROOT.glob(place))]
PUBLISHED = sorted((ROOT / "experiments").glob("*/*/result.json"))
SOURCES = "|".join(["bench", *(path.parent.name for path in PUBLISHED)])
HELD = re.compile(
    rf"<!-- (?:{SOURCES}): (?:\w+ -->\n.*?|[^>\n]+ -->[^<\n]+)<!-- end -->", re.DOTALL
)
CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)\s]*\)|\$\$.*?\$\$", re.DOTALL)
WORDS = "(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|sixty)"
UNITS = (
    "%|×(?! ?[0-9])|(?:ms|s|min|h|[KMG]i?B|kB|images/s|points?|nats?|seconds?|minutes?|hours?)"
    "(?![A-Za-z])|秒|分(?!の|割)|時間|枚/秒|ポイント"
)
MEASURED = re.compile(
    rf"(?<![A-Za-z0-9_.,])(?:[0-9][0-9,.]* ?(?:{UNITS})|{WORDS} (?:seconds?|minutes?|hours?)\b"
    r"|毎秒 ?[0-9]|an? (?:third|quarter|fifth|tenth|fifteenth)\b|[0-9]+ ?分の ?[0-9]|0\.[0-9]{4,})"
)
FULL = read_study(STUDIES / "full.toml")
FIRST_EDITION = json.loads((STUDIES / "first-edition.json").read_text(encoding="utf-8"))
POLICY = read_policy(ROOT / "experiments/promotion.toml")
ARCHIVES = sum(path.stat().st_size for path in (ROOT / "data/fashion-mnist").glob("*.gz"))
NO_MEASUREMENTS = (
    r"95 %(?= (?:CI|(?:t |BCa )?interval|band|of pairs lie|信頼区間|の帯|がこの中|に届き))",
    rf"{100 * FULL.decision.alpha:.0f} %(?= of studies| をはるか)",
    r"80 %",  # an example of confidence
    r"0\.5 nats",  # −ln 0.6
    rf"{FULL.decision.smallest_difference} nats",
    r"0\.02 nats",  # the first edition
    r"between a tenth and a half",  # what a study expects
    rf"{100 * POLICY.against_champion.smallest_improvement:.1f} (?:points|ポイント)",
    rf"{100 * POLICY.against_champion.non_inferiority_margin:.1f} (?:points|ポイント)",
    rf"{POLICY.largest_drift:.4f}",
    rf"{QUESTION_SECONDS} (?:s|秒)",
    rf"silent for {SILENT_SECONDS // 60} minutes|記録が{SILENT_SECONDS // 60}分間",
    rf"up to {AWAY_SECONDS // 60} minutes|{AWAY_SECONDS // 60}分まで待つ",
    rf"{ARCHIVES / 1e6:.0f} MB",
    r"100 MB",  # what a test sends
    r"arXiv [0-9.]+",
    r"0\.7 (?:points|ポイント)",  # read off the table of three pairs, which test_documents.py holds
)


@pytest.fixture(scope="module")
def numbers() -> ModuleType:
    return script("results")


def prose(page: Path) -> str:
    """What a reader reads of a page: no code, no links, no tables of four decimals."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for block in FIRST_EDITION["blocks"]["en"].values():  # test_documents.py holds these
        text = text.replace(block, " ")
    text = re.sub(r"^\|.*", lambda row: re.sub(r"\d\.\d{4}\b", " ", row[0]), text, flags=re.M)
    return CODE.sub(" ", text)


def unheld(text: str) -> list[str]:
    """The numbers of a text that nothing holds, each with what stands around it."""
    text = re.sub(r"\s+", " ", HELD.sub(" ", text))
    text = re.sub("|".join(NO_MEASUREMENTS), " ", text)
    found = MEASURED.finditer(text)
    return [text[max(0, one.start() - 30) : one.end() + 20] for one in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_number_with_a_unit_is_held_by_its_source(page):
    assert unheld(prose(page)) == []


@pytest.mark.parametrize(
    "said",
    [
        "it takes 12.5 s", "about ten minutes", "約10分かかります", "14 % survive", "521 MiB",
        "6,500 images/s", "毎秒 6,500 枚", "1.36 × the speed", "about a tenth", "約3分の1",
        "a gap of 0.3430", "0.7 seconds", "2.5時間", "<!-- nobody: x -->3 s<!-- end -->",
    ],
)  # fmt: skip
def test_a_number_that_is_typed_into_a_page_is_found(said):
    assert unheld(said)
    assert unheld(f"<!-- bench: startup/help -->{re.sub('<.*?>', '', said)}<!-- end -->") == []


def test_pages_show_what_the_benchmarks_printed(numbers):
    for page in numbers.pages():
        assert page.read_text(encoding="utf-8") == numbers.filled(page), "run .ci/results.py"


def test_every_recorded_number_has_its_origin_and_is_shown(numbers):
    sections = tomllib.loads(numbers.RESULTS.read_text(encoding="utf-8"))
    for section in (*sections.values(), *sections["study"].values()):
        if "values" in section:
            measured = {"machine", "date"} <= set(section) and {"command", "source"} & set(section)
            assert measured or "calculated" in section
    comments = "".join(path.read_text(encoding="utf-8") for path in FILES)
    shown = "".join(page.read_text(encoding="utf-8") for page in numbers.pages())
    for name, text in numbers.values("en").items():
        assert f"<!-- bench: {name} -->" in shown or text in comments, name


def test_the_pooled_numbers_follow_from_the_published_results(numbers):
    pooled = runpy.run_path(str(ROOT / "benchmarks/pooled.py"))
    recorded = numbers.values("en")
    for metric, _, shown in pooled["rows"]():
        assert recorded[f"pooled/{metric.replace('/', '-')}"] == shown
    edition = pooled["Edition"]
    pairs, mean, half = pooled["pooled"]([edition(4, 1.0, 2.0), edition(6, 3.0, 5.0)])
    assert (pairs, mean) == (10, pytest.approx(2.2))
    assert half == pytest.approx(2.306004 * math.sqrt(4 * 2 + 6 * 5) / 10)  # t with 8 degrees


def test_what_two_regularizers_add_up_to_follows_from_the_published_study(numbers):
    add_up = runpy.run_path(str(ROOT / "benchmarks/add_up.py"))
    (first, second), both, (_, beyond) = (shown := list(add_up["rows"]()))[:2], shown[2], shown[3]
    recorded = numbers.values("en")
    for name, text in (first, second):
        assert recorded[f"add-up/{name}"] == text
    assert recorded["add-up/both"] == both[1]
    assert recorded["add-up/beyond"] == beyond
    mean, half = add_up["interaction"]([-3.0, -1.0], [[-1.0, -1.0], [-1.0, 0.0]])
    assert (mean, half) == (pytest.approx(-0.5), pytest.approx(12.706205 * 0.5))  # of −1 and 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_comments_of_study_files_quote_recorded_run_times(path, numbers):
    names = f"{path.stem}|{path.parent.name}"
    mine = re.compile(rf"study/(({names})/|calculated/({names}|run))")
    own = [text for name, text in numbers.values("en").items() if mine.match(name)]
    comments = "\n".join(re.findall(r"#.*", path.read_text(encoding="utf-8"))).replace("\n# ", " ")
    for text in own:
        comments = re.sub(rf"(?<![\d.]){re.escape(text)}\b", " ", comments)
    assert unheld(comments) == []


def test_a_number_of_epochs_has_no_interval_when_it_is_pooled(numbers):
    assert numbers.values("en")["pooled/epochs_to_equal_fit"] == "+7.7"


def test_the_calculated_times_of_the_accuracy_study_follow_from_the_speed(numbers):
    said = numbers.values("en")
    for name in ("trials", "finalists", "accuracy"):
        study = read_study(ROOT / f"experiments/accuracy/{name}.toml")
        images = sum(cell.config.epochs for cell in study.cells()) * 55_000 * 1.1
        text = said[f"study/calculated/{name}-avx2"]
        assert text.split()[1] == "minutes"
        assert int(text.split()[0]) == pytest.approx(images / 2_400 / 2 / 60, rel=0.1)
