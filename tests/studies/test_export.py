"""A study as a folder for a paper: complete or not there, the same bytes, and it compiles."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, FinishedRun, made_once, run_command, run_here
from fashion_dropout.config.study import read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.files import write_folder
from fashion_dropout.tracking.store import tags
from recorded import record_study

SMOKE = ROOT / "experiments/dropout/smoke.toml"
OTHERS = "expected a new or an empty folder, or an export that nobody has changed, received "


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, worker_id: str, empty_store: Path):
    """A folder with a store that has a recorded study; the output is the id of its run."""

    def make(folder: Path) -> str:
        shutil.copy(empty_store, folder / "mlflow.db")
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            run_id = record_study(read_study(SMOKE), predictions=100)
        mlflow.set_tracking_uri(before)
        return run_id

    return made_once(tmp_path_factory, worker_id, "study_to_export", make)


def environment(study: FinishedRun) -> Mapping[str, str]:
    return {"MLFLOW_TRACKING_URI": study.uri}


def refused(study: FinishedRun, folder: Path, *arguments: str) -> str:
    """The one line of an export that is refused and changes nothing."""
    before = snapshot(folder)
    done = run_here("export", *arguments, cwd=folder, environment=environment(study))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert snapshot(folder) == before
    return done.stderr.splitlines()[-1]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_what_cannot_be_exported_is_one_line_and_changes_nothing(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("mine")
    for to, words in (
        ("mine", "which holds thesis.tex"),
        ("file", "which is a file"),
        (".", "which is where this command works"),
        ("..", "which is where this command works"),
        ("no/such/folder", "which would be in a folder that is not there"),
    ):
        line = refused(study, tmp_path, study.output, "--to", to)
        assert line.startswith(f"Error: {OTHERS}{(tmp_path / to).resolve()}")
        assert words in line
    assert "did you mean 'smoke'?" in refused(study, tmp_path, "smok", "--to", "paper")
    assert "expected the id of a run" in refused(study, tmp_path, "0" * 32, "--to", "paper")
    client = mlflow.MlflowClient(study.uri)
    a_run = client.search_runs(["1"], f"tags.{tags.ROLE} = 'run'")[0].info.run_id
    assert "expected the run of a study" in refused(study, tmp_path, a_run, "--to", "paper")
    assert "Missing option '--to'" in refused(study, tmp_path, "smoke")


def test_a_study_that_has_not_finished_is_not_exported(study, tmp_path):
    shutil.copy(study.folder / "mlflow.db", tmp_path / "mlflow.db")
    (tmp_path / "mlruns").symlink_to(study.folder / "mlruns")
    copy = FinishedRun(tmp_path, study.output)
    client = mlflow.MlflowClient(copy.uri)
    a_run = client.search_runs(["1"], f"tags.{tags.ROLE} = 'run'")[0].info.run_id
    (tmp_path / "work").mkdir()
    client.set_terminated(a_run, "FAILED")
    line = refused(copy, tmp_path / "work", "smoke", "--to", "paper")
    assert "with 1 of 6 cells without a finished run" in line
    client.set_terminated(study.output, "KILLED")
    assert "with status KILLED" in refused(copy, tmp_path / "work", "latest", "--to", "paper")


def test_a_folder_that_cannot_be_written_stays_as_it_was(tmp_path):
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "old").write_text("old")
    with pytest.raises(UsageError, match=r"expected to write .*File name too long"):
        write_folder(tmp_path / "paper", {"new": b"new", "x" * 300: b""})
    assert snapshot(tmp_path) == {"paper": None, "paper/old": b"old"}
    write_folder(tmp_path / "paper", {"a/new": b"new"})
    assert snapshot(tmp_path) == {"paper": None, "paper/a": None, "paper/a/new": b"new"}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, worker_id: str, study: FinishedRun):
    """The study in English and in Japanese."""

    def make(folder: Path) -> str:
        for language in ("en", "ja"):
            arguments = ("export", "smoke", "--to", language, "--lang", language)
            done = run_here(*arguments, cwd=folder, environment=environment(study))
            assert done.returncode == 0, done.stderr
        return done.stdout

    return made_once(tmp_path_factory, worker_id, "exported", make)


@pytest.mark.slow  # draws all figures twice, and once more in another process
def test_two_exports_have_the_same_bytes_and_an_untouched_one_is_replaced(
    study, exported, tmp_path
):
    folder = Path(shutil.copytree(exported.folder / "en", tmp_path / "paper"))
    english = snapshot(folder)
    figures = {name for name in english if name.startswith("figures/")}
    assert len(figures) == 2 * 8  # disagreements are not recorded
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )
    assert checked.returncode == 0
    again = {**environment(study), "PYTHONHASHSEED": "7"}
    arguments = ("export", "smoke", "--to", str(folder))
    done = run_command(*arguments, cwd=tmp_path, environment=again)
    assert done.returncode == 0, done.stderr
    assert snapshot(folder) == english
    assert [path.name for path in tmp_path.iterdir()] == ["paper"]
    (folder / "methods.tex").write_text("mine")
    assert "which holds methods.tex" in refused(study, tmp_path, "smoke", "--to", "paper")
    japanese = snapshot(exported.folder / "ja")
    assert japanese.keys() == english.keys()
    same = {name for name in english if name.endswith((".csv", ".bib")) or english[name] is None}
    assert {name for name in english if english[name] == japanese[name]} == same


@pytest.mark.slow
@pytest.mark.parametrize(("language", "engine"), [("en", "pdflatex"), ("ja", "lualatex")])
def test_the_document_compiles(exported, tmp_path, language, engine):
    needed = {"en": ("booktabs.sty", "lmodern.sty"), "ja": ("booktabs.sty", "luatexja.sty")}
    if not (shutil.which(engine) and shutil.which("bibtex")):
        pytest.skip(f"no {engine} on this machine")
    for style in needed[language]:
        if subprocess.run(["kpsewhich", style], capture_output=True, check=False).returncode:
            pytest.skip(f"no {style} on this machine")
    folder = Path(shutil.copytree(exported.folder / language, tmp_path / "paper"))
    once = [engine, "-interaction=nonstopmode", "-halt-on-error", "paper"]
    # LuaTeX takes seconds each time, and its second time would only fill in the numbers.
    commands = [once] if language == "ja" else [once, ["bibtex", "paper"], once, once]
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    log = (folder / "paper.log").read_text(errors="replace")
    assert ("There were undefined references" in log) == (language == "ja")
    assert "Missing character" not in log
    assert (folder / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_the_folder_is_looked_at_before_a_store_is_asked(tmp_path):
    (tmp_path / "file").write_text("mine")
    away = {"MLFLOW_TRACKING_URI": "sqlite:////nowhere/mlflow.db"}
    done = run_here("export", "latest", "--to", "file", cwd=tmp_path, environment=away)
    assert done.returncode == 2
    assert "which is a file" in done.stderr


def test_a_link_to_itself_is_no_folder(study, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    line = refused(study, tmp_path, "smoke", "--to", "loop")
    assert f"received {tmp_path.resolve() / 'loop'}, which is a link to itself" in line
