"""Row 55: a proxy does not let large bodies through, and is mended later."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import run_command, run_here
from faults.test_18_server_gone import check_whole
from tracking_server import Refusal, gateway, tracking_server

pytestmark = pytest.mark.slow
TRAIN = ("train", "--dataset", "synthetic", "--epochs", "2", "--learning-rate", "0.004")


@dataclass
class Limited:
    """A server behind a proxy that answers 413, or something else, to bodies above a limit."""

    folder: Path
    server: str
    address: str = ""
    limit: int = 100_000
    answer: int = 413

    def refusal(self, _: str, length: int) -> Refusal | None:
        return (self.answer, b"<html>too large</html>") if length > self.limit else None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_EXPERIMENT_NAME": self.folder.name,  # a finished run of the same would be shown
            "FASHION_DROPOUT_STATE": str(self.folder / "state"),
        }
        if arguments == TRAIN:  # what it warns of is read as its process prints it
            return run_command(*arguments, cwd=self.folder, environment=environment)
        return run_here(*arguments, cwd=self.folder, environment=environment)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    with tracking_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def limited(tmp_path, server) -> Iterator[Limited]:
    proxy = Limited(tmp_path, server)
    with gateway(server, proxy.refusal) as proxy.address:
        yield proxy


def run_in(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in done.stdout.splitlines() if "; run " in line]
    return line.rpartition("; run ")[2].strip()


@pytest.mark.parametrize("again", [("sync",), TRAIN], ids=["sync", "the same command"])
def test_nothing_is_lost_and_it_is_delivered_when_the_proxy_is_mended(limited, again):
    done = limited.run(*TRAIN)
    assert done.returncode == 6, done.stderr
    warning, error = done.stderr.splitlines()
    assert warning.startswith("warning: MLflow does not take what it is sent: 413 ")
    assert "413 Client Error" in error
    assert "type `fashion-dropout sync`" in error
    run_id = run_in(done)
    status = limited.run("status")
    assert f"undelivered: dropout-seed0-synthetic, run {run_id}: " in status.stdout
    refused = limited.run("sync")
    assert refused.returncode == 6
    assert "MLflow does not take what it is sent: 413 " in refused.stdout
    limited.limit = sys.maxsize
    delivered = limited.run(*again)
    assert delivered.returncode == 0, delivered.stderr
    assert f"delivered dropout-seed0-synthetic, run {run_id}: " in delivered.stdout
    check_whole(limited.server, run_id, 2)
    assert "everything is delivered" in limited.run("status").stdout


def test_what_the_store_itself_has_refused_is_completed_by_the_same_command(limited):
    """Here the model has begun to be stored, and has metrics already."""
    limited.answer = 403
    failed = limited.run(*TRAIN)
    assert failed.returncode == 1, failed.stderr
    run_id = run_in(failed)
    assert f"to go on: fashion-dropout train --resume {run_id}" in limited.run("status").stdout
    limited.limit = sys.maxsize
    done = limited.run(*TRAIN)
    assert done.returncode == 0, done.stderr
    assert run_in(done) == run_id
    check_whole(limited.server, run_id, 2)
