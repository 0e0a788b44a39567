"""Row 10: the disk is full while a checkpoint is written.

A limit for the size of files does to one process what a full disk does to all: the write fails
half-way. It is set from outside while the process trains. The store is smaller than a checkpoint.
"""

from __future__ import annotations

import resource

import pytest

from conftest import TRAIN, run_here
from faults.interrupting import (
    checkpoints,
    folder_of_interrupted,
    only_run,
    recorded,
    running,
    runs,
    wait_for,
)

LIMIT = 2_000_000


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system has no prlimit")
def test_the_run_fails_in_one_line_and_the_checkpoint_before_is_whole(tmp_path, uninterrupted):
    with running(*TRAIN, cwd=tmp_path) as process:
        wait_for(process, "epoch 1/")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1
    (line,) = said.splitlines()
    assert line.startswith("Error: expected to write the checkpoint of epoch ")
    assert "File too large" in line
    run = only_run(tmp_path)
    assert run.info.status == "FAILED"
    assert line == f"Error: {run.data.tags['error']}"
    folder = folder_of_interrupted(run.info.run_id)
    assert sorted(path.suffix for path in folder.iterdir()) in (
        [".checkpoint", ".json"],
        [".checkpoint", ".checkpoint", ".json"],
    ), "nothing half-written"
    last = checkpoints(folder)[-1]

    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"after epoch {last} of 6" in done.stdout
    assert recorded(only_run(tmp_path)) == uninterrupted
    assert "error" not in only_run(tmp_path).data.tags


@pytest.mark.slow
@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/state", "~nosuchuser/state"])
def test_a_state_folder_that_cannot_be_made_is_one_line_before_any_run(place, tmp_path):
    environment = {"FASHION_DROPOUT_STATE": place}
    done = run_here(*TRAIN, cwd=tmp_path, environment=environment)
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: expected a folder")
    assert "FASHION_DROPOUT_STATE" in line
    assert runs(tmp_path) == []
