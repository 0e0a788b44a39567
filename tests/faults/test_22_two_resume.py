"""Row 22: two processes resume the same run."""

from __future__ import annotations

import signal

import pytest

from conftest import TRAIN, run_here
from faults.interrupting import kill_after_epoch, only_run, recorded, running, wait_for


@pytest.mark.long
@pytest.mark.slow
def test_the_second_is_refused_and_the_death_of_the_first_lets_a_third_go_on(
    tmp_path, uninterrupted
):
    kill_after_epoch(1, tmp_path)
    run_id = only_run(tmp_path).info.run_id
    with running(*TRAIN, cwd=tmp_path) as first:
        wait_for(first, "training ")
        first.send_signal(signal.SIGSTOP)  # it lives, and stays where it is
        second = run_here(*TRAIN, cwd=tmp_path)
        (line,) = second.stderr.splitlines()
        assert second.returncode == 1
        assert f"process {first.pid} on " in line
        assert f"run {run_id}" in line
        first.send_signal(signal.SIGKILL)
        first.wait()
    third = run_here(*TRAIN, cwd=tmp_path)
    assert third.returncode == 0, third.stderr
    assert recorded(only_run(tmp_path)) == uninterrupted
