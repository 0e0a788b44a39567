"""Reports and published results, from a real store with runs that were recorded, not trained."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import mlflow
import pytest

from comparison import recomputed
from conftest import ROOT, run_here
from fashion_dropout.cli import main
from fashion_dropout.config.study import read_study
from fashion_dropout.tracking.pages import serve
from recorded import record_study

SMOKE = ROOT / "experiments/dropout/smoke.toml"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, str]:
    """A folder with a store, and the run of a study in it."""
    folder = tmp_path_factory.mktemp("recorded")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_id = record_study(read_study(SMOKE), predictions=100)
    mlflow.set_tracking_uri(before)
    return folder, run_id


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


Command = Callable[..., Ended]


@pytest.fixture
def command(recorded, monkeypatch, capsys) -> Iterator[Command]:
    """``fashion-dropout`` in this process, on the store of `recorded`."""
    folder, _ = recorded
    monkeypatch.chdir(folder)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        try:
            main(list(arguments))
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, capsys.readouterr().err)

    yield run
    mlflow.set_tracking_uri(before)


def check_report(output: Path, language: str) -> None:
    text = output.read_text(encoding="utf-8")
    assert text.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
    assert text.rstrip().endswith("</html>")
    assert len(re.findall('<img src="data:image/(?:png|svg\\+xml);base64,', text)) == 8
    assert "disagreements.npz is recorded" in text  # said, since nothing stored it
    assert output.stat().st_size < 3_000_000


@pytest.mark.slow  # draws all figures
def test_the_report_is_one_complete_file(recorded, command, tmp_path):
    output = tmp_path / "report.html"
    done = command("report", recorded[1], "--output", str(output))
    assert done.code == 0, done.said
    check_report(output, "en")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.slow  # a second report with all figures
def test_a_link_stays_a_link_and_its_file_is_written(recorded, command, tmp_path):
    link, named = tmp_path / "link.html", tmp_path / "elsewhere" / "report.html"
    named.parent.mkdir()
    link.symlink_to(named)
    done = command("report", recorded[1], "--lang", "ja", "--output", str(link))
    assert done.code == 0, done.said
    assert link.is_symlink()
    check_report(named, "ja")


def test_what_is_no_file_is_not_replaced_by_one(recorded, command, tmp_path):
    # A pipe stands for /dev/null, which root would take away from the whole machine.
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for output in (pipe, link):
        done = command("report", recorded[1], "--output", str(output))
        assert done.code == 2
        assert (
            f"expected a file in a folder that exists and can be written to, received {pipe}"
            in (done.said)
        )
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_what_cannot_be_done_is_one_line_and_leaves_no_file(recorded, command, tmp_path):
    folder, run_id = recorded
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    a_run = client.search_runs(["1"], "tags.role = 'run'")[0].info.run_id
    old = tmp_path / "old.html"
    old.write_text("old")
    for arguments, words in (
        (("report", "nonsense"), "expected a study in"),
        (("report", "0" * 32), "expected the id of a run"),
        (("report",), "received neither"),
        (("report", "smok"), "did you mean 'smoke'?"),
        (("report", "smoke", "--index", str(tmp_path)), "received both"),
        (("report", a_run), "expected the run of a study"),
        (("report", run_id, "--output", "no/such/folder/r.html"), "no/such/folder/r.html"),
        (("report", run_id, "--output", str(tmp_path)), str(tmp_path)),
        (("report", run_id, "--lang", "fr"), "'fr'"),
        (("report", "nonsense", "--output", str(old)), "nonsense"),
        (("ui", "--port", "0"), "--port"),
        (("publish", "experiments/dropout"), "--study or --check"),
        (("publish", str(tmp_path), "--check"), "received none"),
    ):
        done = command(*arguments)
        assert done.code == 2, (arguments, done.said)
        (line,) = done.said.splitlines()
        assert words in line
    assert old.read_text() == "old"
    assert not list(folder.glob("*.html"))


@pytest.mark.slow  # another process reads the study
def test_what_is_no_study_is_refused_before_a_server_starts(recorded, command, monkeypatch):
    folder, _ = recorded
    monkeypatch.setattr(serve, "served", lambda *_: pytest.fail("a server was started"))
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    a_run = client.search_runs(["1"], "tags.role = 'run'")[0].info.run_id
    for argument, words in (
        ("nonsense", "expected a study in"),
        (a_run, "expected the run of a study"),
    ):
        done = command("ui", argument)
        assert done.code == 2
        (line,) = done.said.splitlines()
        assert words in line


@pytest.mark.slow
def test_a_store_without_a_study_has_nothing_to_show(tmp_path):
    done = run_here("ui", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected an MLflow store in" in done.stderr


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with a study file and pages that show its result."""
    folder = tmp_path / "experiments/dropout"
    folder.mkdir(parents=True)
    shutil.copy(SMOKE, folder)
    blocks = "".join(
        f"<!-- smoke: {kind} -->\n<!-- end -->\n\n" for kind in ("verdict", "table", "short")
    )
    blocks += "The gap is <!-- smoke: gap/loss none -->?<!-- end --> nats.\n"
    for name in ("README.md", "README.ja.md", "experiments/dropout/README.md"):
        (tmp_path / name).write_text(f"# Head\n\n{blocks}", encoding="utf-8")
    return tmp_path


@pytest.mark.slow  # publishes twice
def test_what_is_published_belongs_to_its_study_until_something_changes(recorded, project, command):
    folder = str(project / "experiments/dropout")
    done = command("publish", folder, "--study", recorded[1])
    assert done.code == 0, done.said
    assert "warning: what is published lacks images on which regimes disagree" in done.said
    home = project / "experiments/dropout/smoke"
    result = json.loads((home / "result.json").read_text())
    assert result["study"] == read_study(SMOKE).key
    assert recomputed.check((home / "result.json").read_bytes()) == ["not shown"]
    assert {path.name for path in home.glob("*.png")} == set(result["figures"])
    assert len(set(result["runs"].values())) == len(result["runs"]) > 0
    for one in result["differences"]:  # whoever doubts a figure can compute it again
        mean = fmean(one["by_seed"].values())
        shown = result["values"][f"{one['metric']} {one['regime']} difference"]
        digits = 1 if "epoch" in one["metric"] else 4
        assert f"{mean:+.{digits}f}" == shown.replace("−", "-")
    english = (project / "README.md").read_text(encoding="utf-8")
    assert "| `gap/loss` |" in english
    assert "> It is not shown that" in english
    assert "| Generalization gap (validation − training loss) | " in english
    assert "| metric | no dropout | dropout | difference [95 % CI] |" in english
    (value,) = re.findall(r"The gap is <!-- smoke: gap/loss none -->(.*)<!-- end -->", english)
    assert value == result["values"]["gap/loss none"]
    assert f"| `gap/loss` | {value} [" in english
    assert "差があるとは言えませんでした" in (project / "README.ja.md").read_text(encoding="utf-8")

    assert command("publish", folder, "--check").code == 0
    (project / "README.md").write_text(english.replace("`gap/loss` | 0", "`gap/loss` | 1"))
    assert "README.md shows other values" in command("publish", folder, "--check").said
    (project / "README.md").write_text(english, encoding="utf-8")

    (project / "README.md").write_text(english.replace("-->" + value, "-->0.9999"))
    assert "README.md shows other values" in command("publish", folder, "--check").said
    (project / "README.md").write_text(english.replace("gap/loss none -->", "gap/los none -->"))
    refused = command("publish", folder, "--check")
    assert refused.code == 2
    assert "received 'gap/los none'" in refused.said
    assert command("publish", folder, "--study", recorded[1]).code == 2
    assert {path.name for path in home.glob("*.png")} == set(result["figures"])
    (project / "README.md").write_text(english, encoding="utf-8")

    figure = home / "study_curves.png"
    before = figure.read_bytes()
    figure.write_bytes(before[:-1])
    assert "study_curves.png is not the figure" in command("publish", folder, "--check").said
    figure.write_bytes(before)

    declared = project / "experiments/dropout/smoke.toml"
    declared.write_text(declared.read_text().replace("alpha = 0.05", "alpha = 0.01"))
    done = command("publish", folder, "--check")
    assert done.code == 1
    assert "declares smoke-" in done.said
    refused = command("publish", folder, "--study", recorded[1])
    assert refused.code == 2
    assert "run `compare` on the file as it is now" in refused.said


@pytest.mark.parametrize("folder", ["dropout", "regularizers"])
def test_what_the_repository_publishes_belongs_to_its_studies(command, folder):
    done = command("publish", str(ROOT / "experiments" / folder), "--check")
    assert done.code == 0, done.said
