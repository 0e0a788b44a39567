"""A small study in a real browser: MLflow's pages that compare it, and its report.

Screenshots are left in ``test-artifacts/``, to be looked at.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import mlflow
import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from conftest import ROOT, clean_environment, copied, run_command
from fashion_dropout.colours import of_regimes

pytestmark = pytest.mark.slow

SCREENSHOTS = ROOT / "test-artifacts"
RUNS = [f"{regime}-seed{seed}-synthetic" for seed in (0, 1) for regime in ("none", "dropout")]
# MLflow opens a chat beside the first page that a browser sees; it hides a third of the page.
ASSISTANT = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"
NO_ASSISTANT = f"localStorage.setItem('{ASSISTANT}', 'true')"
DEAD = "dead-run"
LOAD = 60_000  # milliseconds


@pytest.fixture(scope="module")
def study(smoke_study, tmp_path_factory) -> Path:
    """A folder with the store of a study of two pairs."""
    folder = copied(smoke_study, tmp_path_factory.mktemp("pages") / "study").folder
    _leave_a_dead_run(folder)
    return folder


def _leave_a_dead_run(folder: Path) -> None:
    """What an interrupted ``compare`` leaves: a run of the study that never ended well."""
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (alike, *_) = client.search_runs(["1"], "tags.role = 'run'")
    dead = client.create_run("1", tags=alike.data.tags | {"mlflow.runName": DEAD}, run_name=DEAD)
    client.log_metric(dead.info.run_id, "gap/loss", 0.5, step=1)
    client.set_terminated(dead.info.run_id, "KILLED")


@pytest.fixture(scope="module")
def served(study) -> Iterator[dict[str, str]]:
    """`fashion-dropout ui` on a port that is taken: what it prints, what → address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "fashion_dropout", "ui", "--port", str(port)],
            cwd=study,
            env=clean_environment(PYTHONUNBUFFERED="1", DISPLAY="", BROWSER=""),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line.strip())
            if "Ctrl-C" in line:
                break
    assert said[0].startswith(f"port {port} is taken; using port ")
    assert "no browser to open here: open the links yourself" in said
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    listening = {
        connection.laddr
        for one in family
        for connection in one.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    yield {what: address for what, address in pairwise(said) if "://" in address}
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest.strip() == "stopped"
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == []


@pytest.fixture
def page(browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1800, "height": 1200})
    context.add_init_script(NO_ASSISTANT)
    yield context.new_page()
    context.close()


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


# What MLflow's own UI says without us: it asks for a feature that this server does not have.
OF_MLFLOW = re.compile(r"404 \(Not Found\)|ResizeObserver loop")


def opened(page: Page, address: str) -> list[str]:
    """Open a page of MLflow's UI; returns the errors in its console, as they come."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(address)
    return errors


def chart(page: Page, metric: str) -> Locator:
    """The card of a metric's chart."""
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    card = cards.filter(has=page.get_by_text(metric, exact=True)).first
    expect(card).to_be_visible(timeout=LOAD)
    card.scroll_into_view_if_needed()
    expect(card.locator(".js-plotly-plot .trace").first).to_be_visible(timeout=LOAD)
    return card


def visible_lines(card: Locator) -> dict[str, str]:
    """The lines of a chart that have a colour: shape → colour."""
    return card.locator("path.js-line").evaluate_all(
        """paths => Object.fromEntries(paths.filter(path => path.style.strokeOpacity !== "0")
            .map(path => [path.getAttribute("d"), path.style.stroke]))"""
    )


def as_css(colour: str) -> str:
    """``#rrggbb`` as a browser says it."""
    return "rgb({}, {}, {})".format(*(int(colour[at : at + 2], 16) for at in (1, 3, 5)))


def test_the_study_opens_on_one_line_a_regime_with_its_band(served, page):
    errors = opened(page, served["the regimes compared"])
    card = chart(page, "gap/loss")
    for name in RUNS:
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=LOAD)
    expect(page.get_by_text(re.compile(r"^4 matching runs$"))).to_be_visible(timeout=LOAD)
    assert page.get_by_text(DEAD).count() == 0
    for regime in ("dropout", "none"):
        expect(card.get_by_text(f"{regime} (gap/loss)")).to_be_visible(timeout=LOAD)
    assert len(visible_lines(card)) == 2
    bands = card.locator(".trace.is-band path.js-fill")
    expect(bands.nth(1)).to_be_attached(timeout=LOAD)  # they are drawn after the lines
    page.wait_for_timeout(1_000)
    assert len({band.get_attribute("d") for band in bands.all()}) == 2
    titles = page.get_by_test_id("experiment-view-compare-runs-section-header").all_inner_texts()
    sections = [re.sub(r"\s*\(\d+\).*", "", title, flags=re.DOTALL) for title in titles]
    assert sections == [
        "How the regimes differ", "At the end", "Speed and learning rate", "System metrics",
    ]  # fmt: skip
    page.wait_for_timeout(1_000)
    keep(page, "regimes")
    assert [error for error in errors if not OF_MLFLOW.search(error)] == []


def test_parallel_coordinates_stand_below_the_curves(served, page):
    page.set_viewport_size({"width": 1800, "height": 3000})  # the UI leaves out what is far below
    opened(page, served["every run"])
    chart(page, "best/epoch")
    card = page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text="Parallel")
    for axis in ("dropout", "seed", "gap/loss", "test/accuracy"):
        expect(card.get_by_text(axis, exact=True).first).to_be_visible(timeout=LOAD)
    page.wait_for_timeout(1_000)
    keep(page, "parallel")


def test_every_run_has_the_colour_of_its_regime(served, page):
    errors = opened(page, served["every run"])
    card = chart(page, "gap/loss")
    page.wait_for_timeout(1_000)
    lines = visible_lines(card)
    assert len(lines) == len(RUNS)
    assert set(lines.values()) == {as_css(one) for one in of_regimes(["none", "dropout"]).values()}
    assert page.get_by_text(DEAD).count() == 0
    keep(page, "every-run")
    assert [error for error in errors if not OF_MLFLOW.search(error)] == []


def test_report_and_charts_are_one_click_from_the_run_of_the_study(served, page):
    opened(page, served["verdict, figures and report"])
    link = page.get_by_role("link", name="Report", exact=True)
    expect(link).to_be_visible(timeout=LOAD)
    keep(page, "study")
    page.goto(
        f"{served['verdict, figures and report'].partition('#')[0]}{link.get_attribute('href')}"
    )
    report = page.frame_locator("iframe").first
    expect(report.get_by_role("heading", name="Verdict")).to_be_visible(timeout=LOAD)
    keep(page, "report-in-mlflow")


def test_a_cell_leads_to_its_study(served, page):
    opened(page, served["every run"])
    page.get_by_role("link", name=RUNS[0], exact=True).first.click(timeout=LOAD)
    link = page.get_by_role("link", name=re.compile("^study smoke-"))
    expect(link).to_be_visible(timeout=LOAD)
    keep(page, "cell")
    page.goto(f"{served['every run'].partition('#')[0]}{link.get_attribute('href')}")
    expect(page.get_by_text("study-smoke").first).to_be_visible(timeout=LOAD)


@pytest.fixture(scope="module", params=["en", "ja"])
def report(study, request) -> tuple[str, Path]:
    """The report of the study in a language, written once more by another process."""
    client = mlflow.MlflowClient(f"sqlite:///{study / 'mlflow.db'}")
    (run,) = client.search_runs(["1"], "tags.role = 'study'")
    language, output = request.param, study / f"again.{request.param}.html"
    done = run_command(
        "report", run.info.run_id, "--lang", language, "--output", str(output), cwd=study
    )
    assert done.returncode == 0, done.stderr
    return language, output


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_needs_no_network_and_no_script(study, report, browser, scheme):
    language, output = report
    if language == "en":
        (stored,) = (study / "mlruns").rglob("report.html")
        assert output.read_bytes() == stored.read_bytes()

    context = browser.new_context(
        color_scheme=scheme, java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(output.as_uri())
    expect(page.locator("img")).to_have_count(9)
    for picture in page.locator("img").all():
        box = picture.bounding_box()
        assert box is not None
        assert 300 < box["width"] <= 390  # as wide as a phone, and no wider
        assert box["height"] > 100
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert errors == []
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{language}-{scheme}.png", full_page=True)
    context.close()
