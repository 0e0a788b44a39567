"""The documentation site in a real browser, served as GitHub does: below the repository's name.

Screenshots are left in ``test-artifacts/``, to be looked at.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import ROOT, clean_environment

pytestmark = pytest.mark.slow

SCREENSHOTS = ROOT / "test-artifacts"
COMMAND = ["uv", "run", "--isolated", "--only-group", "docs", "python", ".ci/build_site.py"]
BUILT = "FASHION_DROPOUT_SITE"  # the folder that `.ci/run` has just built, by the same command


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[str]:
    """The address of the built site."""
    folder = tmp_path_factory.mktemp("site")
    output = folder / "fashion-mnist-dropout"
    if built := os.environ.get(BUILT):
        output.symlink_to(built)
    else:
        done = subprocess.run(
            [*COMMAND, output],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{output.name}/"
        server.shutdown()


@pytest.fixture(params=[1280, 390])
def page(browser: Browser, site: str, request) -> Iterator[Page]:
    """A page of a desk's or a phone's width, which asks nobody else and reports no error."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    host = site.partition("/fashion")[0]
    page.on("request", lambda one: None if one.url.startswith(host) else wrong.append(one.url))
    page.on("response", lambda one: None if one.status < 400 else wrong.append(one.url))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.wait_for_load_state("networkidle")
    # Whatever slides in or out on a slow machine has come to its place.
    fits = "width => document.documentElement.scrollWidth === width"
    page.wait_for_function(fits, arg=request.param)
    context.close()
    assert wrong == []


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    width = page.evaluate("innerWidth")
    page.screenshot(path=SCREENSHOTS / f"site-{name}-{width}.png", full_page=True)


@pytest.mark.parametrize("language", ["", "ja/"])
def test_the_first_page_shows_figures_and_equations(site, page, language):
    page.goto(site + language)
    equations = page.locator("article math[display=block]")
    expect(equations).to_have_count(5)
    for equation in equations.all():
        box = equation.bounding_box()
        assert box is not None
        assert box["height"] > 15
    assert "\\mathrm" not in page.locator("article").inner_text()
    for fraction in page.locator("mfrac").all():
        box = fraction.bounding_box()
        assert box is not None
        assert box["height"] > 25  # numerator above denominator
    for picture in page.locator("article img").all():
        assert picture.evaluate("one => one.complete && one.naturalWidth > 500")
    keep(page, f"home-{language.strip('/') or 'en'}")


@pytest.mark.parametrize(("language", "label"), [("", "classification"), ("ja/", "特徴抽出")])
def test_the_picture_of_the_network_is_drawn(site, page, language, label):
    page.goto(f"{site}{language}docs/adapt/")
    diagram = page.locator(".diagram svg")
    expect(diagram).to_be_visible()
    expect(diagram.locator(".node")).to_have_count(11)
    expect(diagram.get_by_text(label)).to_be_visible()
    box = diagram.bounding_box()
    assert box is not None
    assert box["width"] > 700


@pytest.mark.parametrize("language", ["", "ja/"])
def test_the_picture_of_the_layers_is_drawn(site, page, language):
    page.goto(f"{site}{language}CONTRIBUTING/")
    expect(page.locator(".diagram svg .node", has_text="provenance")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "word", "leads_to"),
    [
        ("", "permutation", "docs/how-to-read/"),
        ("ja/", "並べ替え検定", "ja/docs/how-to-read/"),
        ("ja/", "汎化ギャップ", "ja/docs/how-to-read/"),
    ],
)
def test_the_search_finds_a_word(site, page, language, word, leads_to):
    page.goto(site + language)
    if page.evaluate("innerWidth") < 700:
        page.locator("label[for=__search]").first.click()
    field = page.locator("input.md-search__input")
    field.click()
    field.press_sequentially(word)
    field.press("End")  # the search looks when a key is let go; Japanese is typed without
    found = page.locator(".md-search-result__link")
    expect(found.first).to_be_visible(timeout=30_000)
    addresses = [one.evaluate("one => one.href") for one in found.all()]
    assert any(one.startswith(site + leads_to) for one in addresses), addresses
    assert all(("/ja/" in one) == bool(language) for one in addresses)


def test_the_switch_leads_to_the_same_page_in_the_other_language_and_back(site, page):
    page.goto(f"{site}docs/how-to-read/")
    for language, address in (("ja", "ja/docs/how-to-read/"), ("en", "docs/how-to-read/")):
        page.locator(".md-select button").hover()
        page.locator(f".md-select a[hreflang={language}]").click()
        page.wait_for_url(site + address)
        assert page.locator("html").get_attribute("lang") == language


def test_a_link_in_a_text_leads_to_its_heading(site, page):
    page.goto(f"{site}ja/docs/how-to-read/")
    page.locator("article a[href*='method']").first.click()
    assert unquote(page.url).startswith(f"{site}ja/docs/method/")


@pytest.mark.parametrize(
    "report",
    ["experiments/dropout/full/report.html", "ja/experiments/dropout/full/report.ja.html"],
)
def test_the_report_of_the_published_study_shows_its_figures(site, page, report):
    page.goto(site + report)
    pictures = page.locator("img").all()
    published = (ROOT / "experiments/dropout/full/result.json").read_text(encoding="utf-8")
    assert len(pictures) == len(json.loads(published)["figures"])
    for picture in pictures:
        assert picture.evaluate("one => one.complete && one.naturalWidth > 500")
    keep(page, Path(report).stem)
