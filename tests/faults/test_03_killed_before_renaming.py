"""Row 3: SIGKILL between writing and renaming a checkpoint; and other narrow places."""

from __future__ import annotations

import pytest

from conftest import TRAIN, run_here
from faults.interrupting import (
    checkpoints,
    folder_of_interrupted,
    kill_in_call,
    only_run,
    recorded,
)

pytestmark = pytest.mark.slow


def test_the_checkpoint_before_is_used(tmp_path, uninterrupted):
    kill_in_call("os.rename", "epoch-000000003", tmp_path)
    folder = folder_of_interrupted(only_run(tmp_path).info.run_id)
    assert checkpoints(folder) == [1, 2]
    assert (folder / ".epoch-000000003.checkpoint.partial").stat().st_size > 1_000_000
    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "after epoch 2 of 6" in done.stdout
    assert recorded(only_run(tmp_path)) == uninterrupted


@pytest.mark.long
def test_a_model_that_was_half_stored_is_completed(tmp_path, uninterrupted):
    """Killed while the weights of the model are brought to their place."""
    kill_in_call("shutil.copyfile", "model.keras", tmp_path)
    run = only_run(tmp_path)
    assert (run.info.status, recorded(run).models) == ("RUNNING", (1, 0))
    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "after epoch 6 of 6" in done.stdout
    assert recorded(only_run(tmp_path)) == uninterrupted
