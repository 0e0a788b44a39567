"""Row 2: SIGKILL in the middle of an epoch. Row 4: three kills at random moments."""

from __future__ import annotations

import random
import signal
import time

import mlflow
import pytest

from conftest import TRAIN, run_here
from faults.interrupting import (
    checkpoints,
    folder_of_interrupted,
    only_run,
    recorded,
    running,
    speeds,
    wait_for,
)

pytestmark = pytest.mark.slow
LONG_EPOCHS = (*TRAIN, "--batch-size", "4", "--epochs", "3")
"""A second or two an epoch."""


def test_the_epoch_is_done_again(tmp_path_factory):
    killed, whole = (tmp_path_factory.mktemp(name) for name in ("killed", "whole"))
    with running(*LONG_EPOCHS, cwd=killed) as process:
        wait_for(process, "epoch 1/")
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    folder = folder_of_interrupted(only_run(killed).info.run_id)
    assert checkpoints(folder) == [1], "the kill came in the middle of epoch 2"
    found = []
    for cwd in (killed, whole):
        done = run_here(*LONG_EPOCHS, cwd=cwd)
        assert done.returncode == 0, done.stderr
        found.append(recorded(only_run(cwd)))
        assert speeds(only_run(cwd)) == [1, 2, 3]
    assert found[0] == found[1]
    assert found[0].metrics["learning_rate"] == [(1, 0.004), (2, 0.004), (3, 0.004)]


@pytest.mark.long
@pytest.mark.parametrize("draw", [1, 2])
def test_three_kills_at_random_moments(draw, tmp_path, uninterrupted):
    moments = random.Random(draw)
    for _ in range(3):
        with running(*TRAIN, cwd=tmp_path) as process:
            wait_for(process, "training ")
            time.sleep(moments.uniform(0, 2))
            process.send_signal(signal.SIGKILL)
            process.wait()
    done = run_here(*TRAIN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert recorded(run) == uninterrupted
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "val/loss")
    told = [entry.step for entry in sorted(history, key=lambda entry: entry.timestamp)]
    assert told == [1, 2, 3, 4, 5, 6], "the epoch counter never goes back"
