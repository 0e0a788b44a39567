"""The main commands on a machine that is set up for everything but them, all at once."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from conftest import TRAIN, FinishedRun, clean_environment
from fashion_dropout.learning.dataset import Synthetic
from faults.interrupting import only_run, recorded
from promotion.recorded_studies import GATE
from study_text import study_text

pytestmark = [pytest.mark.slow, pytest.mark.long]

MATPLOTLIBRC = "text.usetex: True\nsavefig.bbox: tight\nfont.size: 40\nbackend: TkAgg\n"
KERAS_JSON = {
    "floatx": "float64",
    "epsilon": 0.01,
    "backend": "jax",
    "image_data_format": "channels_first",
}
GITCONFIG = "[color]\n\tui = always\n[diff]\n\texternal = /bin/false\n\tnoprefix = true\n"
DASK = "distributed:\n  comm:\n    require-encryption: true\n  worker:\n    daemon: true\n"
# A user id that has no name. Who may not make one keeps their own.
NOBODY = ("unshare", "--user", "--map-user=12345", "--map-group=12345")


def may_be_nobody() -> bool:
    return not subprocess.run([*NOBODY, "true"], check=False, capture_output=True).returncode


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that answers nothing and remembers what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    asked.append(client.recv(1000))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, proxy) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    for name, text in {
        ".keras/keras.json": json.dumps(KERAS_JSON),
        ".config/matplotlib/matplotlibrc": MATPLOTLIBRC,
        ".config/dask/dask.yaml": DASK,
        ".gitconfig": GITCONFIG,
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    address, _ = proxy
    variables = clean_environment(
        HOME=str(home),
        PYTHONIOENCODING="ascii",
        PYTHONWARNINGS="error",
        FORCE_COLOR="1",
        TERM="dumb",
        COLUMNS="20",
        TF_ENABLE_ONEDNN_OPTS="1",
        TF_XLA_FLAGS="--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
        TF_FUNCTION_JIT_COMPILE_DEFAULT="1",
        TF2_BEHAVIOR="0",
        TF_NUM_INTRAOP_THREADS="2",
        ONEDNN_DEFAULT_FPMATH_MODE="BF16",
        DNNL_MAX_CPU_ISA="SSE41",
        KERAS_BACKEND="jax",
        KERAS_MAX_EPOCHS="1",
        KERAS_MAX_STEPS_PER_EPOCH="1",
        MPLBACKEND="TkAgg",
        MATPLOTLIBRC=str(home / ".config/matplotlib/matplotlibrc"),
        MLFLOW_ENABLE_ASYNC_LOGGING="true",
        MLFLOW_STATIC_PREFIX="/elsewhere",
        MLFLOW_ARTIFACTS_ONLY="true",
        MLFLOW_LOCK_MODEL_DEPENDENCIES="true",
        MLFLOW_ACTIVE_MODEL_ID="m-0123456789abcdef0123456789abcdef",
        DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0",
        GIT_DIR=str(home / "nowhere"),
        GIT_PAGER="false",
        OMP_NUM_THREADS="1",
        KMP_AFFINITY="disabled",
        OPENBLAS_NUM_THREADS="1",
        PYTHONHASHSEED="7",
        PYTHONOPTIMIZE="1",
        PYTHONUTF8="0",
        TZ="Asia/Kathmandu",
        LC_ALL="POSIX",
        CDPATH="/",
        SOURCE_DATE_EPOCH="0",
        POSIXLY_CORRECT="1",
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), address),
    )
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "no_proxy", "NO_PROXY"):
        variables.pop(name, None)
    return variables


@pytest.fixture(scope="module")
def run(hostile):
    before = NOBODY if may_be_nobody() else ()

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        (cwd / "matplotlibrc").write_text(MATPLOTLIBRC, encoding="utf-8")
        return subprocess.run(
            [*before, sys.executable, "-m", "fashion_dropout", *arguments],
            cwd=cwd,
            env=hostile,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("trained")
    done = run(*TRAIN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for name in ("TF_XLA_FLAGS", "KERAS_MAX_EPOCHS", "ONEDNN_DEFAULT_FPMATH_MODE"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr
    return FinishedRun(folder, done.stdout)


@pytest.fixture(scope="module")
def compared(run, tmp_path_factory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "study.toml").write_text(
        study_text("hostile", (0, 1), {"epochs": 1}), encoding="utf-8"
    )
    done = run("compare", "study.toml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return FinishedRun(folder, done.stdout)


def test_a_run_has_the_bits_and_the_records_of_any_other(trained, finished_run):
    found = []
    for folder in (trained.folder, finished_run.folder):
        run = only_run(folder)
        found.append((run, recorded(run)))
    (hostile, of_hostile), (plain, of_plain) = found
    assert of_hostile == of_plain
    for tag in ("weights.last.sha256", "git.commit", "kernels.isa", "bits.sha256"):
        assert hostile.data.tags.get(tag) == plain.data.tags.get(tag), tag
    assert not may_be_nobody() or hostile.data.tags["mlflow.user"] == "uid12345"


def test_its_figures_are_those_of_any_other(trained, finished_run):
    files = ("curves.png", "confusion_matrix.png", "misclassified.png")
    figures = [
        {path.name: path.read_bytes() for path in run.folder.rglob("*.png") if path.name in files}
        for run in (trained, finished_run)
    ]
    assert sorted(figures[0]) == sorted(files)
    assert figures[0] == figures[1]


def test_nothing_is_trained_again_and_the_run_is_repeated_to_the_bit(trained, run):
    again = run(*TRAIN, cwd=trained.folder)
    assert again.returncode == 0, again.stderr
    assert "nothing is trained again" in again.stdout
    run_id = only_run(trained.folder).info.run_id
    verified = run("verify", run_id, cwd=trained.folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_study_ends_with_its_report(compared, run):
    (study,) = re.findall(r"study run ([0-9a-f]{32})", compared.output)
    written = run("report", study, cwd=compared.folder)
    assert written.returncode == 0, written.stderr
    assert (compared.folder / "report.html").stat().st_size > 50_000


def test_a_study_is_planned_and_its_model_promoted(compared, run):
    folder = compared.folder
    (study,) = re.findall(r"study run ([0-9a-f]{32})", compared.output)
    planned = run("plan", "study.toml", "--sd", "0.01", "--output", "plan.png", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    (folder / "gate.toml").write_text(GATE, encoding="utf-8")
    promoted = run("promote", study, "--policy", "gate.toml", cwd=folder)
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    told = run("history", "--model-name", "fashion-mnist-cnn-synthetic", cwd=folder)
    assert told.returncode == 0, told.stderr
    assert "promoted: version 1" in told.stdout


def test_a_picture_is_predicted(trained, run):
    Image.fromarray(Synthetic().test().images[0, ..., 0]).save(trained.folder / "picture.png")
    run_id = only_run(trained.folder).info.run_id
    done = run("predict", "picture.png", "--model", run_id, cwd=trained.folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [("status",), ("sync",), ("data", "--dataset", "synthetic")])
def test_who_only_asks_gets_an_answer(trained, run, arguments):
    done = run(*arguments, cwd=trained.folder)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_pages_are_served_without_the_proxy(compared, hostile, proxy):
    command = [sys.executable, "-m", "fashion_dropout", "ui", "--no-browser", "--port", "5077"]
    ui = subprocess.Popen(
        command, cwd=compared.folder, env=hostile, stdout=subprocess.PIPE, text=True
    )
    try:
        said = ""
        assert ui.stdout
        for line in ui.stdout:
            said += line
            if "Ctrl-C stops the server" in line:
                break
        assert "http://127.0.0.1:" in said
    finally:
        ui.send_signal(signal.SIGINT)
        assert ui.wait(60) == 0
    assert proxy[1] == []


def test_nothing_was_written_into_the_home_of_the_user(hostile, trained, compared):
    home = Path(hostile["HOME"])
    kept = json.loads((home / ".keras/keras.json").read_text(encoding="utf-8"))
    assert kept == KERAS_JSON
    assert {path.name for path in home.iterdir()} <= {".keras", ".config", ".gitconfig", ".cache"}
    assert os.environ["HOME"] != str(home)
