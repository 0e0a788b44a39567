"""Row 53: `mlflow run <git URL>` works in a temporary clone: what lasts, and where paths start."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT
from fashion_dropout.cli import main
from fashion_dropout.config.study import read_study
from recorded import record_study
from test_mlflow_run import git, launch, only_run, repository

__all__ = ["repository"]
SMOKE = ROOT / "experiments/dropout/smoke.toml"


@pytest.fixture
def url(repository: Path) -> Iterator[str]:
    """The repository behind a git daemon of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--reuseaddr",
         f"--base-path={repository.parent}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"git://127.0.0.1:{port}/{repository.name}"
    finally:
        daemon.terminate()
        daemon.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the user stands, with a study file of their own."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "smoke.toml").write_bytes(SMOKE.read_bytes())
    return folder


@pytest.fixture
def study(folder: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The own run of a study in the store of that folder; nothing was trained for it."""
    before = mlflow.get_tracking_uri()
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    run_id = record_study(read_study(SMOKE))
    mlflow.set_tracking_uri(before)
    return run_id


@pytest.mark.slow
def test_a_clone_trains_and_its_run_is_in_the_callers_store(url, repository, folder):
    exit_code, said = launch(
        folder, url, "--env-manager", "local", "-P", "dropout=0", "-P", "dataset=synthetic",
        "-P", "epochs=1",
    )  # fmt: skip
    assert exit_code == 0, said
    run = only_run(folder)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.source.name"] == url
    assert run.data.tags["git.commit"] == git(repository, "rev-parse", "HEAD")
    assert run.data.tags["git.dirty"] == "False"
    assert mlflow.artifacts.list_artifacts(run_id=run.info.run_id)


@pytest.mark.slow
def test_a_report_says_where_it_is_and_stays_with_its_run(url, folder, study):
    entry = ("--env-manager", "local", "-e", "report", "-P", f"study={study}")
    exit_code, said = launch(folder, url, *entry)
    assert exit_code == 0, said
    wrote = next(line for line in said.splitlines() if line.startswith("wrote "))
    path = Path(wrote.removeprefix("wrote ").partition(",")[0])
    assert path.is_absolute()
    assert path.is_file()
    assert not path.is_relative_to(folder)
    (kept,) = [line for line in said.splitlines() if line.startswith("kept as an artifact of run ")]
    run_id = kept.removeprefix("kept as an artifact of run ").partition(",")[0]
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    stored = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/report.html"))
    assert stored.read_bytes() == path.read_bytes()
    assert mlflow.get_run(run_id).info.status == "FINISHED"

    output = folder / "here.html"
    exit_code, said = launch(folder, url, *entry, "-P", f"output={output}")
    assert exit_code == 0, said
    assert f"wrote {output}, " in said
    assert output.read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [("-e", "compare", "-P", "study=smoke.toml"), ("-P", "data_dir=archives")],
    ids=["study", "data_dir"],
)
def test_a_relative_path_is_refused_with_the_folder_that_it_starts_in(url, folder, parameters):
    exit_code, said = launch(folder, url, "--env-manager", "local", *parameters)
    assert exit_code != 0
    (line,) = [line for line in said.splitlines() if line.startswith("Error: expected")]
    assert "; relative paths start in the folder of the project /" in line
    assert str(folder) not in line
    assert only_run(folder).info.status == "FAILED"


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "nowhere.toml"),
        ("train", "--data-dir", "nowhere"),
        ("promote", "0" * 32, "--policy", "nowhere.toml"),
    ],
)
def test_without_mlflow_run_the_working_directory_is_named(workdir, capsys, words):
    with pytest.raises(SystemExit):
        main(list(words))
    (line,) = capsys.readouterr().err.splitlines()
    assert f"; relative paths start in the folder {workdir}" in line


def test_a_report_is_no_file_named_minus(workdir, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", "0" * 32, "--output", "-"])
    assert ended.value.code == 2
    assert "expected the name of a file for the report, received -" in capsys.readouterr().err
    assert list(workdir.iterdir()) == []


@pytest.mark.slow  # a report
def test_a_left_over_variable_does_not_touch_a_run_that_has_ended(
    study, folder, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_RUN_ID", study)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    try:
        main(["report", study, "--output", "mine.html"])
    except SystemExit as ended:
        assert not ended.code
    finally:
        names = [one.path for one in mlflow.artifacts.list_artifacts(run_id=study)]
        mlflow.set_tracking_uri(before)
    said = capsys.readouterr().out
    assert f"wrote {folder / 'mine.html'}, " in said
    assert "kept" not in said
    assert names == ["study.json"]
