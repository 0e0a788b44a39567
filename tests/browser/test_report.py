"""The report of a study in a real browser: what a reader wants first is on the first screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from comparison.records import make_record
from fashion_dropout.reports.html import render
from fashion_dropout.reports.pictures import draw
from fashion_dropout.texts import LANGUAGES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdict_curves_and_paired_differences_stand_on_the_first_screen(
    browser: Browser, tmp_path, language
):
    record = make_record()
    comparison = record.compare()
    path = tmp_path / "report.html"
    path.write_text(render(record, comparison, draw(record, comparison, language), language))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    figures = [page.locator(".first img").nth(number) for number in range(2)]
    for shown in (page.locator(".verdict").first, *figures):
        box = shown.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 900
    page.close()
