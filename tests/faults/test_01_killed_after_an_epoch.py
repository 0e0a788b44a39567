"""Row 1: SIGKILL right after an epoch, then the same command. Row 8: the same command once more."""

from __future__ import annotations

import pytest

from conftest import TRAIN, run_command, run_here
from faults.interrupting import (
    folder_of_interrupted,
    kill_after_epoch,
    only_run,
    recorded,
    runs,
    speeds,
)

pytestmark = pytest.mark.slow


def test_the_run_goes_on_to_the_same_bits_and_then_there_is_nothing_left_to_do(
    tmp_path, uninterrupted
):
    kill_after_epoch(2, tmp_path)
    before = only_run(tmp_path)
    assert before.info.status == "RUNNING", "nobody could write that it was killed"
    folder = folder_of_interrupted(before.info.run_id)

    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"continuing run {before.info.run_id} after epoch " in done.stdout
    assert "epoch 1/6" not in done.stdout
    run = only_run(tmp_path)
    assert run.info.run_id == before.info.run_id
    assert recorded(run) == uninterrupted
    assert uninterrupted.status == "FINISHED"
    assert uninterrupted.models == (1, 1)
    assert speeds(run) == [1, 2, 3, 4, 5, 6]
    assert run.data.tags["resumed"] in ("2", "3")
    assert not folder.exists(), "a finished run needs no checkpoint"

    again = run_here(*TRAIN, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"run {run.info.run_id} has finished with these parameters: nothing is trained" in (
        again.stdout
    )
    result = "test accuracy"
    assert again.stdout.partition(result)[2] == done.stdout.partition(result)[2]
    assert recorded(only_run(tmp_path)) == uninterrupted


@pytest.mark.long
def test_after_each_epoch(tmp_path, uninterrupted):
    """One run is killed six times: after each of its epochs."""
    for epoch in range(1, 7):
        kill_after_epoch(epoch, tmp_path)
    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert recorded(only_run(tmp_path)) == uninterrupted


@pytest.mark.long
def test_after_the_first_and_the_last_epoch_with_portable_kernels(tmp_path_factory):
    """Other kernels give other bits; what a checkpoint holds, and when, is the same."""
    arguments = (*TRAIN, "--kernels", "portable")
    killed, whole = (tmp_path_factory.mktemp(name) for name in ("killed", "whole"))
    for epoch in (1, 6):
        kill_after_epoch(epoch, killed, *arguments)
    found = []
    for folder in (killed, whole):
        done = run_command(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        found.append(recorded(only_run(folder)))
    assert found[0] == found[1]


@pytest.mark.long
def test_fresh_starts_over_in_a_run_of_its_own(tmp_path, uninterrupted):
    kill_after_epoch(1, tmp_path)
    before = only_run(tmp_path)
    for _ in range(2):  # also when it has finished
        done = run_here(*TRAIN, "--fresh", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "epoch 1/6" in done.stdout
    found = {run.info.run_id: run for run in runs(tmp_path)}
    given_up = found.pop(before.info.run_id)
    assert given_up.info.status == "KILLED"
    assert given_up.data.tags["error"] == "started over with --fresh"
    assert [recorded(run) for run in found.values()] == [uninterrupted] * 2
