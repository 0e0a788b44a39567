"""Real training processes, killed at a chosen place, and what the store holds afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import Run

from conftest import TRAIN, clean_environment

# Python tells an audit hook of every call that renames or copies a file, before it is done.
_KILLED_IN_A_CALL = """\
import os, signal, sys
def hook(event, arguments):
    if event == {event!r} and {name!r} in os.fspath(arguments[1]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from fashion_dropout.cli import main
main(sys.argv[1:])
"""


@contextmanager
def running(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """``fashion-dropout`` as a process whose lines can be read as they come; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", *arguments],
        cwd=cwd,
        env=clean_environment(PYTHONUNBUFFERED="1", **(environment or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], beginning: str) -> str:
    """Read what a process prints, up to the first line that begins so."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(beginning):
            return "".join(seen)
    assert process.stderr is not None
    raise AssertionError(f"no line {beginning!r} in {seen}; {process.stderr.read()}")


def kill_after_epoch(epoch: int, cwd: Path, *arguments: str) -> None:
    """Start a training, and SIGKILL it as soon as it says that an epoch has ended."""
    with running(*(arguments or TRAIN), cwd=cwd) as process:
        wait_for(process, f"epoch {epoch}/")
        process.send_signal(signal.SIGKILL)
        process.wait()


def kill_in_call(event: str, name: str, cwd: Path, *arguments: str) -> None:
    """Start a training that SIGKILLs itself just before it renames or copies a file.

    Args:
        event: Python's audit event, such as ``os.rename`` or ``shutil.copyfile``.
        name: Part of the file's new path.
        cwd: Where to start it.
        arguments: Of the command; `TRAIN` without any.
    """
    program = _KILLED_IN_A_CALL.format(event=event, name=name)
    done = subprocess.run(
        [sys.executable, "-c", program, *(arguments or TRAIN)],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


@dataclass(frozen=True)
class Recorded:
    """What the store holds of a run: all but the clock's figures must be equal to the bit.

    Attributes:
        status: Of the run.
        weights: The digest of the weights after the last epoch.
        metrics: The steps and values of each metric, in the order in which they were written.
        models: How many models it has, and how many of them are whole.
    """

    status: str
    weights: str
    metrics: dict[str, list[tuple[int, float]]]
    models: tuple[int, int]


def runs(cwd: Path) -> list[Run]:
    """All training runs of the store in a folder."""
    mlflow.set_tracking_uri(f"sqlite:///{cwd / 'mlflow.db'}")
    return mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'run'", output_format="list"
    )


def only_run(cwd: Path) -> Run:
    """The one training run of the store in a folder."""
    (run,) = runs(cwd)
    return run


def recorded(run: Run) -> Recorded:
    """What the store that was asked last holds of a run."""
    client = mlflow.MlflowClient()
    found = client.search_logged_models(
        [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
    )
    outputs = run.outputs.model_outputs if run.outputs else []
    assert {model.model_id for model in found} == {output.model_id for output in outputs}
    return Recorded(
        run.info.status,
        run.data.tags.get("weights.last.sha256", ""),
        {
            name: [
                (entry.step, entry.value)
                for entry in client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
            if not name.startswith(("system/", "speed/"))
        },
        (len(found), sum(model.status == "READY" for model in found)),
    )


def speeds(run: Run) -> list[int]:
    """The steps at which the speed was recorded: one an epoch."""
    name = "speed/images_per_second"
    return [e.step for e in mlflow.MlflowClient().get_metric_history(run.info.run_id, name)]


def folder_of_interrupted(run_id: str) -> Path:
    """The folder with the checkpoints of an interrupted run."""
    records = Path(os.environ["FASHION_DROPOUT_STATE"]).glob("runs/*/run.json")
    (folder,) = [path.parent for path in records if run_id in path.read_text(encoding="utf-8")]
    return folder


def checkpoints(folder: Path) -> list[int]:
    """The epochs of the checkpoints in a folder."""
    return sorted(int(path.stem.partition("-")[2]) for path in folder.glob("epoch-*.checkpoint"))
