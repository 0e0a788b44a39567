"""Row 48: what an installation that was broken off leaves; and whose error it is."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy
import pytest
import requests

from conftest import TRAIN, clean_environment, run_command
from fashion_dropout import provenance
from fashion_dropout.commands import unforeseen
from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.run import tracked_run
from faults.interrupting import only_run
from tracking_server import free_port


def packages(folder: Path) -> Path:
    """A folder of packages as they are found on machines, some of them without metadata."""
    for name, content in {
        "broken-1.0": None,
        "numpy-0.1": None,
        "nameless-1.0": b"\n",
        "garbled-1.0": b"Name: \xff\xfe\n",
        "without_version-1.0": b"Metadata-Version: 2.1\nName: without_version\n",
        "two_of_it-1.0": b"Metadata-Version: 2.1\nName: two_of_it\nVersion: 1.0\n",
        "Two.Of.It-2.0": b"Metadata-Version: 2.1\nName: Two.Of.It\nVersion: 2.0\n",
    }.items():
        (folder / f"{name}.dist-info").mkdir(parents=True)
        if content is not None:
            (folder / f"{name}.dist-info/METADATA").write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """What is known of the packages of this process is asked again, here and by later tests."""
    known = (provenance.frozen_requirements, provenance.versions)
    for answer in known:
        answer.cache_clear()
    yield
    for answer in known:
        answer.cache_clear()


def check(frozen: list[str]) -> None:
    names = [line.partition("==")[0].lower().replace(".", "_") for line in frozen]
    assert names.count("two_of_it") == 1
    assert not {"broken", "nameless", "garbled", "without_version", "none"} & set(names)
    assert f"numpy=={numpy.__version__}" in frozen


def test_they_are_left_out(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(packages(tmp_path))
    check(provenance.frozen_requirements().splitlines())
    assert provenance.versions()["numpy"] == numpy.__version__
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        provenance.version("broken")


def test_they_are_left_out_by_pythons_own_reader(tmp_path):
    """MLflow, once it is imported, puts another reader before it."""
    program = "from fashion_dropout import provenance; print(provenance.frozen_requirements())"
    environment = clean_environment(PYTHONPATH=str(packages(tmp_path)))
    check(
        subprocess.check_output([sys.executable, "-c", program], env=environment).decode().split()
    )


@pytest.mark.slow
def test_a_run_beside_them_is_finished_and_lists_the_others(tmp_path):
    environment = {"PYTHONPATH": str(packages(tmp_path / "packages"))}
    done = run_command(*TRAIN, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert run.data.tags["version.numpy"] == numpy.__version__
    check(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/requirements-frozen.txt").split())


def opened():
    return tracked_run(name="n", description="d", params={}, tags={"role": "run"})


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("among_artifacts", [False, True])
def test_a_file_of_this_machine_is_not_blamed_on_the_store(tmp_path, among_artifacts):
    missing = tmp_path / "font.ttf"
    with pytest.raises(FileNotFoundError) as raised, opened() as run:
        if among_artifacts:
            with run.artifacts():
                missing.read_bytes()
        missing.read_bytes()
    said = unforeseen.explain(raised.value)
    assert said == f"expected to use {missing}, received: No such file or directory"
    (recorded,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert recorded.info.status == "FAILED"
    assert str(missing) in recorded.data.tags["error"]
    assert "MLflow" not in recorded.data.tags["error"]


@pytest.mark.usefixtures("store")
def test_a_server_that_is_gone_is():
    with (
        pytest.raises(TrackingError, match=r"MLflow refused or went away: .*refused") as raised,
        opened() as run,
        run.artifacts(),
    ):
        requests.get(f"http://127.0.0.1:{free_port()}", timeout=5)
    cause = raised.value.__cause__
    assert unforeseen.explain(cause).startswith("MLflow's store refused something or went away: ")


@pytest.mark.usefixtures("store")
def test_a_state_folder_that_cannot_be_is_not_blamed_on_the_store(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="Not a directory") as raised, opened():
        pass
    assert unforeseen.explain(raised.value).startswith(f"expected to use {tmp_path / 'file'}/")
