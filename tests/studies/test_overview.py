"""Several studies at a glance: the list of a terminal, and the page that links their reports."""

from __future__ import annotations

import re
from pathlib import Path

import mlflow
import pytest
from rich.cells import cell_len

from conftest import ROOT, run_here
from fashion_dropout.config.study import read_study
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.studies.compare import _opened
from fashion_dropout.studies.overview import describe_studies, overview
from fashion_dropout.texts import LANGUAGES, texts
from fashion_dropout.tracking.store import tags
from recorded import record_study

BEGAN = 1_700_000_000_000
HOSTILE = "<script>alert('x')</script> & 問い\x1b[31m"


def record(key: str, number: int, status: str = "FINISHED", **more: str) -> str:
    """A study's own run, without its declaration: who reads more than the list is told so."""
    client = mlflow.MlflowClient()
    recorded = {tags.ROLE: tags.STUDY_RUN, tags.STUDY: key, tags.MISSING: "", **more}
    start = BEGAN + 3_600_000 * number
    run_id = client.create_run("1", start_time=start, tags=recorded).info.run_id
    client.log_param(run_id, "seeds", "0,1,2,3")
    if status != "RUNNING":
        client.set_terminated(run_id, status, end_time=start + 1000 * 60 * 80)
    return run_id


@pytest.fixture
def studies(store: str) -> list[str]:
    """Four studies, the oldest first; the last says nothing of itself."""
    mlflow.set_experiment("fashion-mnist-dropout")
    return [
        record("quick-0123456789ab", 0, **{tags.QUESTION: "Overfits it less?", tags.PAIRS: "4"},
               **{tags.VERDICT_KIND: "better"}),
        record("sweep-0123456789ab", 1, **{tags.MISSING: "none-seed1", tags.QUESTION: HOSTILE},
               **{tags.QUESTION_JA: "過学習は減るか"}),
        record("smoke-0123456789ab", 2, "KILLED", **{tags.QUESTION: "過学習を抑えるか"}),
        record("first-0123456789ab", 3, "FAILED"),
    ]  # fmt: skip


def test_the_list_has_every_study_the_newest_first_in_aligned_columns(studies):
    header, *lines = describe_studies().splitlines()
    assert [line.split()[0].split("-")[0] for line in lines] == ["first", "smoke", "sweep", "quick"]
    assert re.split(" {2,}", lines[-1]) == [
        *("quick-0123456789ab", "better", "4/4", "2023-11-14 22:13 UTC", "1 h 20 min"),
        *("finished", studies[0], "Overfits it less?"),
    ]
    for state, line in zip(("failed", "interrupted", "incomplete"), lines, strict=False):
        assert f"  {state}  " in f"{line}  "
    assert "\\x1b[31m" in lines[2]
    assert "\x1b" not in lines[2]
    begins = {
        cell_len(line[: line.index(run)]) for line, run in zip(lines, studies[::-1], strict=True)
    }
    assert begins == {header.index("run  ", header.index("state"))}


def test_a_store_without_a_study_is_no_error_and_without_a_store_it_is(store, workdir):
    assert describe_studies().startswith("No studies in sqlite:")
    (workdir / "elsewhere").mkdir()
    done = run_here("studies", cwd=workdir / "elsewhere")
    assert done.returncode == 2
    assert "expected an MLflow store in" in done.stderr


def index(folder: Path, store: str, language: str = "en") -> tuple[str, str]:
    """The page, and what was warned of."""
    arguments = ("report", "--index", str(folder), "--lang", language)
    done = run_here(*arguments, cwd=folder.parent, environment={"MLFLOW_TRACKING_URI": store})
    assert done.returncode == 0, done.stderr
    name = "index.html" if language == "en" else "index.ja.html"
    return (folder / name).read_text(encoding="utf-8"), done.stderr


def test_the_page_lists_what_has_no_report_escaped_and_is_the_same_each_time(
    studies, store, workdir
):
    page, warned = index(workdir / "reports", store)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; 問い" in page
    assert page.index("first-0123") < page.index("smoke-0123") < page.index("quick-0123")
    assert page.count("(no report)") == 4
    assert "sweep-0123456789ab has no report: expected the artifact study.json" in warned
    assert [path.name for path in (workdir / "reports").iterdir()] == ["index.html"]
    assert index(workdir / "reports", store)[0] == page
    japanese, _ = index(workdir / "reports", store, "ja")
    assert '<html lang="ja">' in japanese
    assert "過学習は減るか（レポートなし）" in japanese
    assert "Does" not in japanese


def test_a_folder_that_cannot_be_written_to_is_one_line(studies, store, workdir):
    (workdir / "file").write_text("mine")
    for name in ("file", "no/such/folder"):
        done = run_here(
            *("report", "--index", name), cwd=workdir, environment={"MLFLOW_TRACKING_URI": store}
        )
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "expected a folder to write to" in line
    assert (workdir / "file").read_text() == "mine"


@pytest.mark.slow  # draws all figures
def test_the_page_links_the_report_of_a_study(store, workdir):
    smoke = read_study(ROOT / "experiments/dropout/smoke.toml")
    record_study(smoke, predictions=100)
    (workdir / "reports").mkdir()
    (workdir / "reports" / "mine.txt").write_text("mine")
    page, warned = index(workdir / "reports", store, "ja")
    assert f"warning: the report of {smoke.key} lacks images on which" in warned
    assert f'<a href="{smoke.key}.ja.html">{smoke.question_ja}</a>' in page
    assert "差があるとは言えません" in page
    report = (workdir / "reports" / f"{smoke.key}.ja.html").read_text(encoding="utf-8")
    assert smoke.question_ja in report
    assert (workdir / "reports" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_does_not_call_pairs_seeds(language):
    """With several splits, twelve pairs are of three seeds."""
    assert not re.search("declared seeds|シードの数", texts(language)["studies"]["caption"])


@pytest.mark.usefixtures("store")
def test_so_many_seeds_that_mlflow_cuts_their_list_are_all_counted():
    smoke = read_study(ROOT / "experiments/dropout/smoke.toml")
    many = smoke.model_copy(update={"seeds": tuple(range(2_000))})
    with _opened(many, open_dataset("synthetic"), "session", None, fresh=True) as run:
        pass
    assert overview(mlflow.get_run(run.run_id)).pairs == "–/2000"
