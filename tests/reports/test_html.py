from __future__ import annotations

import dataclasses
from functools import cache
from html.parser import HTMLParser

import pytest

from comparison.records import make_record
from comparison.tables import RULE
from fashion_dropout.comparison.record import Changed
from fashion_dropout.comparison.sentences import sentence
from fashion_dropout.reports.figures import study_figures
from fashion_dropout.reports.html import render
from fashion_dropout.reports.pictures import Picture
from fashion_dropout.texts import LANGUAGES, texts

PICTURE = Picture(png=b"larger", svg=b"<svg>", width=3, height=2)
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """The elements of a page; fails where they are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.everything = ""  # texts of pictures, too
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.everything += dict(attrs).get("alt") or ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data
        self.everything += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def figures_of(record) -> list[str]:
    return [name for name, _ in study_figures(record, record.compare(), "en")]


@cache
def usual() -> list[str]:
    """The names of the figures of `make_record`: drawing them takes longer than the page."""
    return figures_of(make_record())


def page(record, language="en", figures=None) -> Page:
    shown = dict.fromkeys(usual() if figures is None else figures, PICTURE)
    return Page(render(record, record.compare(), shown, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_holds_question_verdict_table_figures_runs_and_environment(language):
    record = make_record(missing=(("none", 5),))
    shown = page(record, language)
    words = texts(language)
    (verdict,) = record.compare().verdicts
    assert record.question in shown.text  # with its <, as text
    assert sentence(verdict, record.rule, language) in shown.text
    assert "<it> broke & ended" in shown.text
    for cell in record.cells["run_id"]:
        assert cell in shown.text
    for said in ("c0ffee", "a CPU", record.run_id, "0.02"):
        assert said in shown.text
    assert figures_of(record) == usual()
    for name in usual():
        assert words["figures"][name]["caption"] in shown.text
    assert words["report"]["incomplete"].format(finished=11, all=12) in shown.text
    assert shown.all("html") == [{"lang": language}]


def test_the_report_is_accessible_and_needs_nothing_from_outside():
    shown = page(make_record())
    pictures = shown.all("img")
    assert len(pictures) == 9
    assert all(p["alt"] and (p["width"], p["height"]) == ("3", "2") for p in pictures)
    assert all(p["src"] == "data:image/svg+xml;base64,PHN2Zz4=" for p in pictures)
    assert all(header.get("scope") in ("col", "row") for header in shown.all("th"))
    assert len(shown.all("caption")) == len(shown.all("table")) == 7
    assert shown.all("script") == []
    outside = [
        a for _, a in shown.elements if str(a.get("href") or a.get("src")).startswith("http")
    ]
    assert outside == []
    assert [h for h, _ in shown.elements if h == "h1"] == ["h1"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdict_curves_and_pairs_come_first_and_tables_after_all_figures(language):
    shown = page(make_record(), language)
    words = texts(language)
    order = [
        words["report"]["verdict"],
        *(words["figures"][name]["alt"] for name in ("study_curves", "paired_differences")),
        words["figures"]["equal_fit"]["alt"],
        words["figures"]["disagreements"]["alt"],
        words["pairing"]["caption"],
    ]
    places = [shown.everything.index(text) for text in order]
    assert places == sorted(places)


def test_a_study_without_a_finished_pair_says_so_and_shows_what_there_is():
    no_pair = make_record(missing=tuple(("dropout", seed) for seed in range(6)))
    shown = page(no_pair, figures=figures_of(no_pair))
    assert texts("en")["report"]["no_pairs"] in shown.text
    assert "is better" not in shown.text.partition("How this was decided")[0]
    assert "FAILED" in shown.text
    nothing = tuple((regime, seed) for regime in ("none", "dropout") for seed in range(6))
    shown = page(make_record(missing=nothing), "ja", figures=[])
    assert texts("ja")["report"]["no_pairs"] in shown.text


def test_a_guard_without_values_has_no_limits():
    shown = page(make_record(rule=RULE.model_copy(update={"guards": {"val/loss": 0.01}})))
    assert "harm not excluded" in shown.text
    assert "nan" not in shown.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_rule_that_was_declared_late_is_not_called_declared_before(language):
    words = texts(language)["report"]
    for what, late in (((), True), (("rule", "seeds"), True), (("seeds",), False)):
        shown = page(make_record(changed=Changed("2026-01-02", 3, what)), language).text
        assert (words["how_late"] in shown, words["how_before"] in shown) == (late, not late)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rule_of_a_study_with_looks_names_them_and_what_each_spends(language):
    looks = RULE.model_copy(update={"looks": (7, 10, 16)})
    plain = page(make_record(), language)
    shown = page(make_record(rule=looks), language)
    assert "0.0280, 0.0084, 0.0135" in shown.text
    assert "7, 10, 16" in shown.text
    assert "0.0280" not in plain.text


@pytest.mark.parametrize("dataset", ["synthetic", "idx"])
def test_what_is_absent_is_said_and_other_images_too(dataset):
    common = {"epochs": 4, "dataset": dataset}
    shown = page(make_record(absent=("predictions of none-seed0: none",), common=common))
    assert "predictions of none-seed0: none" in shown.text
    assert texts("en")["report"]["images"][dataset] in shown.text
    assert texts("en")["report"]["images"][dataset] not in page(make_record()).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_runs_of_different_kernels_are_said(language):
    words = texts(language)["kernels"]
    within = words["within_pairs"].format(seeds="2, 5")
    assert within in page(make_record(mixed_kernels=(2, 5)), language).text
    assert words["between_pairs"] in page(make_record(mixed_kernels=()), language).text
    alike = page(make_record(), language).text
    assert within not in alike
    assert words["between_pairs"] not in alike


def test_the_same_study_gives_the_same_bytes():
    records = [make_record(), make_record()]
    assert render(records[0], records[0].compare(), {}, "en") == render(
        records[1], records[1].compare(), {}, "en"
    )


def test_both_languages_have_the_same_texts_with_the_same_figures_in_them():
    import re

    def filled(text):
        """The names of what is filled in; only English has a noun for one and one for more."""
        return set(re.findall(r"\{.*?\}", re.sub(r":[\w ]+\|[\w ]+", "", text)))

    def flat(value, path=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f"{path}.{key}")
        elif isinstance(value, list):
            yield path, [filled(item) for item in value]
        else:
            yield path, filled(value)

    one, other = (dict(flat(texts(language))) for language in LANGUAGES)
    assert one == other


@pytest.mark.slow  # a report with all figures
def test_a_wide_sweep_keeps_its_table_in_a_box_that_scrolls():
    sweep = {"none": 0.0, **{f"d{rate}": rate / 10 for rate in range(1, 9)}}
    record = make_record(sweep, seeds=2)
    shown = page(record, figures=figures_of(record))
    boxes = [a for a in shown.all("div") if a.get("class") == "wide"]
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)
    assert "d8 − no dropout" in shown.text


def test_each_language_asks_in_its_own_words_if_it_has_them():
    record = make_record()
    asked = dataclasses.replace(record, question_ja="<ドロップアウト>で変わるか")
    assert "<ドロップアウト>で変わるか" in page(asked, "ja").text
    assert record.question in page(record, "ja").text
    assert asked.question in page(asked, "en").text
