"""Rows 5, 6 and 33: SIGTERM, Ctrl-C, a closed terminal; the same command goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import TRAIN, run_here
from faults.interrupting import (
    checkpoints,
    folder_of_interrupted,
    only_run,
    recorded,
    running,
    wait_for,
)


def stop_after_epoch(epoch: int, state: Path) -> None:
    """Send SIGTERM to this process when the checkpoint of an epoch is there."""
    until = time.monotonic() + 120
    while not list(state.glob(f"runs/*/epoch-*{epoch}.checkpoint")):
        if time.monotonic() > until:
            return
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow  # one training in three parts
def test_in_this_process_the_run_goes_on_to_the_same_bits(tmp_path, tensorflow, uninterrupted):
    """Rows 7 and 8 as well: other parameters are refused, and at the end nothing is left to do."""
    environment = {"FASHION_DROPOUT_STATE": str(tmp_path / "state")}

    def train(*arguments: str):
        return run_here(*arguments, cwd=tmp_path, environment=environment)

    stopping = threading.Thread(target=stop_after_epoch, args=(2, tmp_path / "state"))
    stopping.start()
    stopped = train(*TRAIN)
    stopping.join()
    assert stopped.returncode == 143, stopped.stderr
    run = only_run(tmp_path)
    (record,) = (tmp_path / "state").glob("runs/*/run.json")
    folder = record.parent
    epoch = checkpoints(folder)[-1]
    assert epoch >= 2
    assert stopped.stderr == (
        f"Error: stopped by SIGTERM\nNote: the same command continues it after epoch {epoch}\n"
    )
    assert (run.info.status, run.data.tags["error"]) == ("KILLED", "stopped by SIGTERM")

    changed = ("--dropout", "0.3", "--seed", "3", "--epochs", "9", "--select", "last")
    refused = train("train", "--resume", run.info.run_id, *changed)
    assert refused.returncode == 2
    assert "dropout 0.3 (it has 0.4), epochs 9 (it has 6), select 'last' (it has 'best')" in (
        refused.stderr
    )

    done = train(*TRAIN)
    assert done.returncode == 0, done.stderr
    assert f"continuing run {run.info.run_id} after epoch {epoch}" in done.stdout
    assert recorded(only_run(tmp_path)) == uninterrupted
    assert not folder.exists(), "a finished run needs no checkpoint"
    assert "nothing is trained" in train(*TRAIN).stdout
    assert recorded(only_run(tmp_path)) == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "exit_code"),
    [
        pytest.param(signal.SIGTERM, 143, id="TERM"),
        pytest.param(signal.SIGINT, 130, id="INT"),
        pytest.param(signal.SIGHUP, 129, id="HUP"),
    ],
)
def test_the_run_is_killed_with_a_checkpoint_and_goes_on(sent, exit_code, tmp_path, uninterrupted):
    with running(*TRAIN, cwd=tmp_path) as process:
        wait_for(process, "epoch 2/")
        process.send_signal(sent)
        _, said = process.communicate(timeout=120)
    assert process.returncode == exit_code, said
    run = only_run(tmp_path)
    epoch = checkpoints(folder_of_interrupted(run.info.run_id))[-1]
    assert said == (
        f"Error: stopped by {sent.name}\nNote: the same command continues it after epoch {epoch}\n"
    )
    assert run.info.status == "KILLED"
    assert run.data.tags["error"] == f"stopped by {sent.name}"
    assert epoch >= 2
    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert recorded(only_run(tmp_path)) == uninterrupted
    assert "error" not in only_run(tmp_path).data.tags


def test_ctrl_c_while_the_program_is_loaded_is_silent():
    program = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def hook(event, arguments):\n"
        "    if event == 'import' and arguments[0] == 'click':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(hook)\n"
        "import fashion_dropout.__main__"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")  # for a shell, 130
