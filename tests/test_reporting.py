"""Reports and published results, from a real store with runs that were recorded, not trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, run_command
from fashion_dropout.study_file import read_study
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


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_report_is_one_complete_file(recorded, language, tmp_path):
    folder, run_id = recorded
    output = tmp_path / "report.html"
    done = run_command("report", run_id, "--lang", language, "--output", str(output), cwd=folder)
    assert done.returncode == 0, done.stderr
    text = output.read_text(encoding="utf-8")
    assert text.startswith(f'<!DOCTYPE html>\n<html lang="{language}">')
    assert text.rstrip().endswith("</html>")
    assert text.count("data:image/png;base64,") == 6
    assert "disagreements.npz is recorded" in text  # said, since nothing stored it
    assert output.stat().st_size < 3_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_built_is_one_line_and_leaves_no_file(recorded, tmp_path):
    folder, run_id = recorded
    with_runs = f"sqlite:///{folder / 'mlflow.db'}"
    a_run = mlflow.MlflowClient(with_runs).search_runs(["1"], "tags.role = 'run'")[0].info.run_id
    (tmp_path / "old.html").write_text("old")
    for arguments, words in (
        (("report", "nonsense"), "expected the id of a run"),
        (("report", a_run), "expected the run of a study"),
        (("report", run_id, "--output", "no/such/folder/r.html"), "no/such/folder/r.html"),
        (("report", run_id, "--output", str(tmp_path)), str(tmp_path)),
        (("report", run_id, "--lang", "fr"), "'fr'"),
        (("report", "nonsense", "--output", str(tmp_path / "old.html")), "nonsense"),
        (("ui", "nonsense"), "expected the id of a run"),
        (("ui", a_run), "expected the run of a study"),
        (("publish", "experiments/dropout"), "--study or --check"),
        (("publish", str(tmp_path), "--check"), "received none"),
    ):
        done = run_command(*arguments, cwd=folder)
        assert done.returncode == 2, (arguments, done.stderr)
        assert words in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    assert (tmp_path / "old.html").read_text() == "old"
    assert not list(folder.glob("*.html"))


def test_a_store_without_a_study_has_nothing_to_show(tmp_path):
    done = run_command("ui", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected a study in" in done.stderr


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with a study file and pages that show its result."""
    folder = tmp_path / "experiments/dropout"
    folder.mkdir(parents=True)
    shutil.copy(SMOKE, folder)
    page = (
        "# Head\n\n<!-- smoke: verdict -->\n<!-- end -->\n\n<!-- smoke: table -->\n<!-- end -->\n"
    )
    for name in ("README.md", "README.ja.md", "experiments/dropout/README.md"):
        (tmp_path / name).write_text(f"# Head\n\n{blocks}", encoding="utf-8")
    return tmp_path


def publish(*arguments: str, project: Path, store: Path | None = None):
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}"} if store else {}
    return run_command(
        "publish", "experiments/dropout", *arguments, cwd=project, environment=environment
    )


def test_what_is_published_belongs_to_its_study_until_something_changes(recorded, project):
    folder, run_id = recorded
    done = publish("--study", run_id, project=project, store=folder)
    assert done.returncode == 0, done.stderr
    home = project / "experiments/dropout/smoke"
    result = json.loads((home / "result.json").read_text())
    assert result["study"] == read_study(SMOKE).key
    assert {path.name for path in home.glob("*.png")} == set(result["figures"])
    english = (project / "README.md").read_text(encoding="utf-8")
    assert "| `gap/loss` |" in english
    assert "> Not shown that" in english
    assert "示されなかった" in (project / "README.ja.md").read_text(encoding="utf-8")

    assert publish("--check", project=project).returncode == 0
    (project / "README.md").write_text(english.replace("`gap/loss` | 0", "`gap/loss` | 1"))
    said = publish("--check", project=project)
    assert said.returncode == 1
    assert "README.md shows other figures" in said.stderr
    (project / "README.md").write_text(english, encoding="utf-8")

    figure = home / "study_curves.png"
    before = figure.read_bytes()
    figure.write_bytes(before[:-1])
    assert "study_curves.png is not the figure" in publish("--check", project=project).stderr
    figure.write_bytes(before)

    declared = project / "experiments/dropout/smoke.toml"
    declared.write_text(declared.read_text().replace("alpha = 0.05", "alpha = 0.01"))
    said = publish("--check", project=project)
    assert said.returncode == 1
    assert "smoke.toml declares smoke-" in said.stderr
    refused = publish("--study", run_id, project=project, store=folder)
    assert refused.returncode == 2
    assert "run `compare` on the file as it is now" in refused.stderr


def test_what_the_repository_publishes_belongs_to_its_studies():
    done = run_command("publish", "experiments/dropout", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr
