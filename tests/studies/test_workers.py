"""The workers of a study: when they begin, and that they end whatever happens."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import mlflow
import psutil
import pytest

from conftest import ROOT, run_command
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning import kernels
from fashion_dropout.studies import cluster, workers
from fashion_dropout.studies.scheduler import Scheduler
from fashion_dropout.studies.workers import Workers, ending
from fashion_dropout.tracking.store.database import is_new
from study_text import study_text

SMOKE = ROOT / "experiments/dropout/smoke.toml"


@pytest.mark.parametrize(
    ("uri", "files", "new"),
    [
        (None, (), True),
        (None, ("mlflow.db",), False),
        (None, ("mlruns/0/meta.yaml",), False),
        ("", (), True),
        ("sqlite:///other.db", ("mlflow.db",), True),
        ("sqlite:///other.db", ("other.db",), False),
        ("sqlite:///missing/other.db", (), False),  # which is refused at once
        ("sqlite:///:memory:", (), False),
        ("http://127.0.0.1:5000", (), False),
        ("postgresql://127.0.0.1/mlflow", (), False),
    ],
)
def test_a_store_is_new_only_if_that_is_certain(workdir: Path, monkeypatch, uri, files, new):
    for name in files:
        (workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (workdir / name).touch()
    if uri is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert is_new() is new
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    assert not is_new()


def test_a_cluster_that_cannot_begin_says_so_and_nobody_waits(monkeypatch):
    @contextmanager
    def refused(count: int):
        raise OSError("no more processes")
        yield

    monkeypatch.setattr(cluster, "local_cluster", refused)
    crew = Workers(2, None)
    crew.begin(2, TrainingConfig())
    with pytest.raises(OSError, match="no more processes"):
        crew.client(2)
    crew.close()
    crew.close()


def test_a_cluster_begins_once_with_no_more_processes_than_cells(monkeypatch):
    began: list[int] = []

    @contextmanager
    def counted(count: int):
        began.append(count)
        yield f"client of {count}"
        began.append(-count)

    monkeypatch.setattr(cluster, "local_cluster", counted)
    monkeypatch.setattr(cluster, "grow", lambda client, count: None)
    monkeypatch.setattr(workers, "_start_workers", lambda client, config: [])
    crew = Workers(4, None)
    crew.begin(2, TrainingConfig())
    crew.begin(3, TrainingConfig())
    assert crew.client(4) == crew.client(1) == "client of 2"
    with ending(crew):
        pass
    crew.close()
    assert began == [2, -2]


def test_another_cluster_does_not_begin_early(monkeypatch):
    monkeypatch.setattr(cluster, "local_cluster", lambda count: pytest.fail("it began"))
    crew = Workers(2, Scheduler("tcp://127.0.0.1:9"))
    crew.begin(2, TrainingConfig())
    crew.close()


@pytest.mark.slow
def test_workers_that_began_early_end_when_the_store_refuses(tmp_path: Path):
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    began = time.monotonic()
    experiment = {"MLFLOW_EXPERIMENT_ID": "77"}  # of a store that is not there yet
    done = run_command("compare", str(SMOKE), cwd=tmp_path, environment=experiment)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert "77" in line
    assert time.monotonic() - began < 60
    left = psutil.Process().children(recursive=True)
    assert {child.pid for child in left} <= before


def test_a_later_look_of_more_cells_gets_more_processes(monkeypatch):
    """After an interruption, the first look may lack one cell only."""
    scaled: list[int] = []
    local = SimpleNamespace(worker_spec={0: {}})

    def scale(count: int) -> None:
        scaled.append(count)
        local.worker_spec = {number: {} for number in range(count)}

    local.scale = scale

    @contextmanager
    def begun(count: int):
        yield SimpleNamespace(cluster=local)

    monkeypatch.setattr(cluster, "local_cluster", begun)
    crew = Workers(4, None)
    for cells in (1, 12, 2):
        crew.client(cells)
    crew.close()
    assert scaled == [4]


def test_kernels_that_this_machine_does_not_have_are_one_line_and_no_run(
    store, command, tmp_path, monkeypatch
):
    monkeypatch.setattr(kernels, "is_x86_64", lambda: True)
    monkeypatch.setattr(kernels, "cpu_flags", lambda: frozenset({"sse4_1", "avx", "avx2"}))
    base = {"epochs": 1, "kernels": "fast", "device": "cpu"}
    (tmp_path / "quick.toml").write_text(study_text("quick", [0], base), encoding="utf-8")
    done = command("compare", "quick.toml", environment={"MLFLOW_TRACKING_URI": store})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "expected an x86-64 CPU with AMX for kernels fast" in line
    assert mlflow.search_runs(search_all_experiments=True, output_format="list") == []
