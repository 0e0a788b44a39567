"""What all tests share: a clean environment, and one real run that many of them look at."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from fashion_dropout import cli, environment
from fashion_dropout.collector import collect_seldom
from fashion_dropout.learning import archives

# A busy machine is no failure: it once took 0.4 s for what Hypothesis gives 0.2 s.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]
OURS = ("MLFLOW_", archives.DIRECTORY_VARIABLE)
STATE = "FASHION_DROPOUT_STATE"
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"  # each process would compile TensorFlow and MLflow anew
os.environ.pop(NO_BYTECODE, None)
sys.dont_write_bytecode = False
os.environ.pop("UV_RUN_RECURSION_DEPTH", None)  # messages have commands as they are typed

collect_seldom()  # pytest keeps a test's objects, too

# A commit of SQLite waits 8 ms for a disk, and for memory none; a new store of MLflow has about a
# hundred. What a disk has after a power cut is no test's matter.
MEMORY = Path("/dev/shm")
if (
    MEMORY.is_dir()
    and shutil.disk_usage(MEMORY).free > 8 * 2**30
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # a test starts a program from there
):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# This process computes as the program does, whatever its CPU or its caller would choose. What it
# starts chooses for itself (`clean_environment`).
os.environ.pop(ONEDNN, None)
environment.settle()
os.environ[ONEDNN] = "1"

# In a new environment Python compiles each package at its first import. So one worker begins with
# TensorFlow, which the others meet late, and none compiles what another one compiles.
if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
    _keras = importlib.util.find_spec("keras")
    if _keras and not Path(importlib.util.cache_from_source(str(_keras.origin))).exists():
        import keras  # noqa: F401

# A shell starts background jobs, and nohup its own, with these ignored; children inherit that.
for _sign, _default in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_sign) is signal.SIG_IGN:
        signal.signal(_sign, _default)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is alone with one at the end."""
    seconds: Counter[Path] = Counter()
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        seconds[item.path] += 60 if "long" in marks else 10 if "slow" in marks else 1
    items.sort(key=lambda item: -seconds[item.path])


def script(name: str) -> ModuleType:
    """A program of ``.ci`` as a module."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / f".ci/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clean_environment(**added: str) -> dict[str, str]:
    """The environment without what a developer's shell says of stores and data."""
    dropped = (*OURS, ONEDNN, *environment.SET)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", **added}


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of interrupted runs for this process and those that it starts: not the user's."""
    folder = tmp_path_factory.mktemp("state")
    os.environ[STATE] = str(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real archives, which come with the repository."""
    return archives.locate(archives.CHECKOUT)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in an environment without settings of ours or of MLflow's."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(workdir: Path, empty_store: Path) -> Iterator[str]:
    """A new SQLite store that MLflow uses in this process."""
    import mlflow

    uri = f"sqlite:///{shutil.copy(empty_store, workdir / 'mlflow.db')}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.end_run()
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """TensorFlow, started as the program starts it: one thread an operation."""
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(1)


@pytest.fixture(scope="session", autouse=True)
def started_for_slow_tests(request: pytest.FixtureRequest) -> None:
    """Who imports TensorFlow first in a process decides its threads for good. In a run with slow
    tests, of which many load models or train, that is the program's own way.
    """
    if any(item.get_closest_marker("slow") for item in request.session.items):
        request.getfixturevalue("tensorflow")


Command = Callable[..., "subprocess.CompletedProcess[str]"]


def run_command(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    timeout: float = 300,
    before: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run ``fashion-dropout`` as a process of its own; `before` is a command that runs it."""
    return subprocess.run(
        [*before, sys.executable, "-m", "fashion_dropout", *arguments],
        cwd=cwd,
        env=clean_environment(**(environment or {})),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_here(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """As `run_command`, in this process: what Python and its packages take to start is saved."""
    before, clean = dict(os.environ), clean_environment(**(environment or {}))
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        if chosen := sys.modules.get("mlflow.tracking._tracking_service.utils"):
            patch.setattr(chosen, "_tracking_uri", None)  # a new process asks its environment
        os.environ.clear()
        os.environ.update(clean)
        try:
            cli._run(list(arguments))  # `main` may end the process
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            os.environ.clear()
            os.environ.update(before)
    said, warned = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(arguments, code, said, warned)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``fashion-dropout`` in an empty folder, by `run_here`.

    Where the process itself is looked at (signals, what it imports, what TensorFlow prints),
    `run_command` starts one.
    """

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_here(*arguments, **{"cwd": tmp_path, **options})  # type: ignore[arg-type]

    return run


@dataclass(frozen=True)
class FinishedRun:
    """A finished command with the store that it left."""

    folder: Path
    output: str

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


def made_once(
    tmp_path_factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], str]
) -> FinishedRun:
    """What `make` leaves in a folder, made by the first of pytest-xdist's workers that needs it.

    Args:
        tmp_path_factory: Pytest's.
        worker: The name of this worker, or ``master`` without any.
        name: Of the folder.
        make: Works in the folder and returns its output.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker == "master" else own.parent
    folder, output = shared / name, shared / f"{name}.txt"
    with FileLock(shared / f"{name}.lock"):
        if not output.exists():
            folder.mkdir()
            output.write_text(make(folder), encoding="utf-8")
    return FinishedRun(folder, output.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The file of a SQLite store of MLflow that nobody has used, to copy.

    MLflow takes seconds to make one. It adds its first experiment, with the folder beside the
    copy, to the copy.
    """

    def make(folder: Path) -> str:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        path = folder / "mlflow.db"
        SqlAlchemyStore(f"sqlite:///{path}", str(folder)).engine.dispose()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("delete from experiments")
        return str(path)

    return Path(made_once(tmp_path_factory, worker_id, "empty_store", make).output)


TRAIN = (
    *("train", "--dataset", "synthetic", "--dropout", "0.4", "--seed", "3"),
    *("--epochs", "6", "--learning-rate", "0.004"),
)
"""A training of seconds, of another seed and rate than the defaults."""


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> FinishedRun:
    """One real run on generated images, `TRAIN`. Only to read: all tests share it.

    It is a process of its own: what a training stores has to be read by others, to the bit.
    """

    def train(folder: Path) -> str:
        done = run_command(*TRAIN, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return made_once(tmp_path_factory, worker_id, "finished_run", train)


@pytest.fixture(scope="session")
def smoke_study(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> FinishedRun:
    """Two pairs on two workers, as the command leaves them. Only to make copies: see `copied`."""

    def compare(folder: Path) -> str:
        text = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
        study = folder / "study.toml"
        study.write_text(text.replace("[0, 1, 2]", "[0, 1]"), encoding="utf-8")
        done = run_command("compare", str(study), "--workers", "2", cwd=folder)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return made_once(tmp_path_factory, worker_id, "smoke_study", compare)


def copied(finished: FinishedRun, folder: Path) -> FinishedRun:
    """A store of its own for tests that change it: a copy, which records that it is there."""
    shutil.copytree(finished.folder, folder)
    done = run_here("relocate", cwd=folder)
    assert done.returncode == 0, done.stderr
    return FinishedRun(folder, finished.output)
