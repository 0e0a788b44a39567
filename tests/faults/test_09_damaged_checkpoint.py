"""Row 9: a damaged checkpoint."""

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


def test_the_one_before_is_used_and_without_one_it_is_an_error(tmp_path, uninterrupted):
    kill_in_call("os.rename", "epoch-000000004", tmp_path)
    folder = folder_of_interrupted(only_run(tmp_path).info.run_id)
    assert checkpoints(folder) == [2, 3]
    newest, older = (folder / f"epoch-00000000{epoch}.checkpoint" for epoch in (3, 2))
    with newest.open("r+b") as stream:  # one byte in the weights
        stream.seek(newest.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 1]))

    whole = older.read_bytes()
    older.write_bytes(whole[:-100])
    done = run_here(*TRAIN, cwd=tmp_path)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert f"expected a whole checkpoint {newest}" in line
    assert "--fresh" in line
    assert only_run(tmp_path).info.status == "KILLED"

    older.write_bytes(whole)
    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{newest}, received another SHA-256" in done.stdout
    assert "after epoch 2 of 6" in done.stdout
    run = only_run(tmp_path)
    assert recorded(run) == uninterrupted, "epoch 3 was recorded before, and is not twice"
