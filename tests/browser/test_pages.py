"""A small study in a real browser: MLflow's pages that compare it, and its report.

Screenshots are left in ``test-artifacts/``, to be looked at.
"""

from __future__ import annotations

import re
import shutil
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
from playwright.sync_api import Page, expect, sync_playwright

from conftest import ROOT, clean_environment, run_command

pytestmark = pytest.mark.slow

SMOKE = ROOT / "experiments/dropout/smoke.toml"
SCREENSHOTS = ROOT / "test-artifacts"
# Without these, Chromium looks for hosts of its maker at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
RUNS = [f"{regime}-seed{seed}-synthetic" for seed in (0, 1) for regime in ("none", "dropout")]
LOAD = 60_000  # milliseconds


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A folder with the store of a study of two pairs."""
    folder = tmp_path_factory.mktemp("study")
    text = SMOKE.read_text(encoding="utf-8").replace("[0, 1, 2]", "[0, 1]")
    (folder / "study.toml").write_text(text, encoding="utf-8")
    done = run_command("compare", "study.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


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


@pytest.fixture(scope="module")
def browser():
    if not (chromium := shutil.which("chromium")):
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1800, "height": 1200})
    yield context.new_page()
    context.close()


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_the_chart_page_names_the_runs_and_draws_every_metric(served, page):
    page.goto(served["charts"])
    for name in RUNS:
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=LOAD)
    expect(page.get_by_text(re.compile(r"^4 matching runs$"))).to_be_visible(timeout=LOAD)
    search = page.get_by_placeholder("Search metric charts")
    search.fill("val/loss")
    expect(page.get_by_text("val/loss", exact=True).first).to_be_visible(timeout=LOAD)
    expect(page.locator("canvas, .js-plotly-plot .trace").first).to_be_visible(timeout=LOAD)
    page.wait_for_timeout(1_000)
    keep(page, "charts")


def test_the_parallel_coordinates_show_the_dropout_in_which_runs_differ(served, page):
    page.goto(served["parallel coordinates"])
    expect(page.get_by_text("Comparing 4 Runs from 1 Experiment").first).to_be_visible(timeout=LOAD)
    plot = page.locator(".js-plotly-plot").first
    expect(plot).to_be_visible(timeout=LOAD)
    expect(plot).to_contain_text("dropout", timeout=LOAD)
    for name in RUNS:
        expect(page.get_by_text(name).first).to_be_visible(timeout=LOAD)
    keep(page, "parallel")


def test_the_page_of_a_metric_draws_the_curve_of_every_run(served, page):
    page.goto(served["val/loss"])
    curves = page.locator(".js-plotly-plot .scatterlayer path.js-line")
    expect(curves.first).to_be_visible(timeout=LOAD)
    expect(page.get_by_text("4/4")).to_be_visible(timeout=LOAD)  # runs loaded
    shapes = {curve.get_attribute("d") for curve in curves.all()}
    assert len(shapes) == len(RUNS)
    for name in RUNS:
        expect(page.get_by_text(f"{name} (val/loss)").first).to_be_visible(timeout=LOAD)
    expect(page.get_by_label("Step").first).to_be_checked()
    keep(page, "metric")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_report_needs_no_network_and_no_script(study, browser, language, scheme):
    client = mlflow.MlflowClient(f"sqlite:///{study / 'mlflow.db'}")
    (run,) = client.search_runs(["1"], "tags.role = 'study'")
    name = {"en": "report.html", "ja": "report.ja.html"}[language]
    stored = next((study / "mlruns").rglob(name))
    output = study / f"again.{language}.html"
    done = run_command(
        "report", run.info.run_id, "--lang", language, "--output", str(output), cwd=study
    )
    assert done.returncode == 0, done.stderr
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
    expect(page.locator("img")).to_have_count(7)
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
