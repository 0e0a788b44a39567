"""Rows 5, 6 and 33: SIGTERM, Ctrl-C, a closed terminal; the same command goes on afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from conftest import TRAIN, run_command
from faults.interrupting import (
    checkpoints,
    folder_of_interrupted,
    only_run,
    recorded,
    running,
    wait_for,
)


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
    assert process.returncode == exit_code
    run = only_run(tmp_path)
    epoch = checkpoints(folder_of_interrupted(run.info.run_id))[-1]
    assert said == (
        f"Error: stopped by {sent.name}\nNote: the same command continues it after epoch {epoch}\n"
    )
    assert run.info.status == "KILLED"
    assert run.data.tags["error"] == f"stopped by {sent.name}"
    assert epoch >= 2
    done = run_command(*TRAIN, cwd=tmp_path)
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
