"""Row 7: resume with a changed configuration, or with changed data, versions or kernels."""

from __future__ import annotations

import json
import platform

import mlflow
import pytest

from conftest import TRAIN, run_command, run_here
from faults.interrupting import (
    checkpoints,
    folder_of_interrupted,
    kill_after_epoch,
    only_run,
    recorded,
    runs,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A store with a run that was killed after its first epoch."""
    folder = tmp_path_factory.mktemp("interrupted")
    kill_after_epoch(1, folder)
    return folder


def refusal(done, exit_code: int) -> str:
    assert done.returncode == exit_code, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_every_changed_parameter_is_named_with_both_values(interrupted):
    run_id = only_run(interrupted).info.run_id
    changed = ("--dropout", "0.3", "--seed", "3", "--epochs", "9", "--select", "last")
    line = refusal(run_here("train", "--resume", run_id, *changed, cwd=interrupted), 2)
    assert "dropout 0.3 (it has 0.4), epochs 9 (it has 6), select 'last' (it has 'best')" in line
    assert "seed" not in line, "it is the same"
    assert only_run(interrupted).info.status != "FINISHED"


def test_a_run_that_is_not_interrupted_here_is_one_line(interrupted, tmp_path):
    line = refusal(run_here("train", "--resume", "f" * 32, cwd=interrupted), 2)
    assert "expected the id of an interrupted run" in line
    run_id = only_run(interrupted).info.run_id
    line = refusal(run_here("train", "--resume", run_id, "--fresh", cwd=interrupted), 2)
    assert "either --resume or --fresh" in line
    other = ("--experiment-name", "other")
    line = refusal(run_here("train", "--resume", run_id, *other, cwd=interrupted), 2)
    assert "either --resume or --experiment-name" in line


def test_status_says_how_it_goes_on(interrupted, tmp_path):
    run_id = only_run(interrupted).info.run_id
    line = f"run {run_id}, after epoch 1 of 6\n  to go on: fashion-dropout train --resume {run_id}"
    assert line in run_here("status", cwd=interrupted).stdout
    elsewhere = run_here("status", cwd=tmp_path).stdout
    assert f"--resume {run_id}" not in elsewhere, "it is of another store"


def test_another_store_does_not_have_the_run(interrupted, tmp_path):
    run_id = only_run(interrupted).info.run_id
    line = refusal(run_here("train", "--resume", run_id, cwd=tmp_path), 2)
    assert f"expected run {run_id} in this store" in line
    assert runs(tmp_path) == []


def test_a_deleted_experiment_costs_no_checkpoint(interrupted):
    run = only_run(interrupted)
    client, before = mlflow.MlflowClient(), checkpoints(folder_of_interrupted(run.info.run_id))
    client.delete_experiment(run.info.experiment_id)
    line = refusal(run_here(*TRAIN, cwd=interrupted), 2)
    assert f"`mlflow experiments restore -x {run.info.experiment_id}` brings it back" in line
    client.restore_experiment(run.info.experiment_id)
    assert checkpoints(folder_of_interrupted(run.info.run_id)) == before


def test_other_conditions_are_named_with_both_values(interrupted):
    """The kernels really change; data and versions are changed in the record of the run."""
    folder = folder_of_interrupted(only_run(interrupted).info.run_id)
    record = folder / "run.json"
    before = record.read_text(encoding="utf-8")
    changed = json.loads(before)
    conditions = changed["identity"]["conditions"]
    conditions |= {"version.keras": "3.0.0", "dataset.sha256": "ab"}
    now = dict(json.loads(before)["identity"]["conditions"])
    environment = {}
    if platform.machine() == "x86_64":
        environment = {"TF_ENABLE_ONEDNN_OPTS": "0"}
        now["kernels.onednn"] = "off"
    record.write_text(json.dumps(changed), encoding="utf-8")
    try:
        line = refusal(run_command(*TRAIN, cwd=interrupted, environment=environment), 1)
    finally:
        record.write_text(before, encoding="utf-8")
    for name, text in now.items():
        said = f"{name} {conditions[name]!r} then and {text!r} now"
        assert (said in line) == (conditions[name] != text)
    assert "--fresh" in line
    assert only_run(interrupted).info.status == "KILLED"


def test_another_configuration_is_another_run(interrupted):
    """From here on there are two."""
    before = only_run(interrupted)
    done = run_here(*TRAIN, "--dropout", "0.2", cwd=interrupted)
    assert done.returncode == 0, done.stderr
    states = {run.info.run_id: run.info.status for run in runs(interrupted)}
    assert len(states) == 2
    assert states.pop(before.info.run_id) == "KILLED"
    assert list(states.values()) == ["FINISHED"]


def test_resumed_by_its_id_alone(interrupted, uninterrupted):
    """Last on this store: it ends the interrupted run."""
    before = {run.info.run_id: run.info.status for run in runs(interrupted)}
    (run_id,) = [run_id for run_id, status in before.items() if status != "FINISHED"]
    done = run_here("train", "--resume", run_id, cwd=interrupted)
    assert done.returncode == 0, done.stderr
    after = {run.info.run_id: run for run in runs(interrupted)}
    assert after.keys() == before.keys()
    assert recorded(after[run_id]) == uninterrupted
