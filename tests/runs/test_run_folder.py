"""The folder of a run that has not finished."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import clean_environment
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import CheckpointError, UsageError
from fashion_dropout.runs.identity import Identity
from fashion_dropout.runs.interrupted import interrupted_run, interrupted_runs
from fashion_dropout.runs.run_folder import run_folder

RUN = "0123456789abcdef0123456789abcdef"


def identity(**changes) -> Identity:
    values = {
        "place": "ab",
        "study": "",
        "regime": "dropout",
        "configuration": TrainingConfig().model_dump(),
        "conditions": {"version.keras": "3.15.1", "device": "cpu"},
    }
    return Identity(**{**values, **changes})


@pytest.fixture(autouse=True)
def states(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def begun(of: Identity, after: int = 0) -> None:
    with run_folder(of) as folder:
        folder.begin(RUN, "dropout-seed0", "an experiment", {"study": "s"}, after)
        folder.save(after + 1, {"weights/000": np.zeros(3, dtype=np.float32)})


def test_the_same_command_finds_the_run_and_its_newest_checkpoint():
    begun(identity())
    begun(identity(), after=1)
    with run_folder(identity()) as folder:
        assert folder.interrupted.run_id == RUN
        assert folder.interrupted.continued_after == (1,)
        assert folder.interrupted.config == TrainingConfig()
        found, damaged = folder.newest()
        assert (found.epoch, damaged) == (2, [])
        assert found.about["identity"]["conditions"] == {"version.keras": "3.15.1", "device": "cpu"}
        folder.check()
    assert interrupted_run(RUN).experiment == "an experiment"


@pytest.mark.parametrize(
    "change",
    [
        {"place": "cd"},
        {"study": "smoke-0123456789ab"},
        {"regime": "none"},
        {"configuration": TrainingConfig(seed=1).model_dump()},
    ],
)
def test_another_command_has_another_folder(change):
    begun(identity())
    with run_folder(identity(**change)) as folder:
        assert folder.interrupted is None


def test_other_conditions_find_it_and_are_refused_by_name():
    begun(identity())
    other = identity(conditions={"version.keras": "3.16.0", "device": "cpu", "more": "new"})
    with run_folder(other) as folder, pytest.raises(CheckpointError) as caught:
        folder.check()
    assert (
        "received more 'nothing' then and 'new' now, version.keras '3.15.1' then and '3.16.0' now;"
        in str(caught.value)
    )
    assert "device" not in str(caught.value)
    assert other.bits != identity().bits
    assert other.asked == identity().asked


def test_another_release_with_the_same_training_code_goes_on():
    """And knows the finished runs of 0.1.0, whose digest was made with the number in it."""
    code = {"code.training.sha256": "c0de", "version.keras": "3.15.1"}
    first, second = (
        identity(conditions={**code, "version.fashion_dropout": release})
        for release in ("0.1.0", "0.2.0")
    )
    begun(first)
    with run_folder(second) as folder:
        folder.check()
        assert folder.interrupted.run_id == RUN
    recorded = json.dumps(
        [dict(first.configuration), dict(first.conditions)], sort_keys=True, separators=(",", ":")
    )
    assert first.bits == second.bits == hashlib.sha256(recorded.encode()).hexdigest()
    changed = identity(conditions={**second.conditions, "code.training.sha256": "0ther"})
    assert changed.bits != second.bits
    with run_folder(changed) as folder, pytest.raises(CheckpointError, match="code"):
        folder.check()


def test_what_has_finished_leaves_nothing(states):
    begun(identity())
    assert [(run.run_id, epoch) for run, epoch in interrupted_runs()] == [(RUN, 1)]
    with run_folder(identity()) as folder:
        assert interrupted_runs() == [], "this process trains it"
        folder.remove()
    with run_folder(identity(study="s")):
        pass  # nothing was begun
    assert list((states / "runs").iterdir()) == []
    assert interrupted_runs() == []
    with pytest.raises(UsageError, match="expected the id of an interrupted run"):
        interrupted_run(RUN)


@pytest.mark.slow  # a second process that imports this package
def test_a_run_that_another_process_has_is_refused():
    begun(identity())
    program = (
        "import sys, time\n"
        "from filelock import FileLock\n"
        "with FileLock(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    )
    with run_folder(identity()) as folder:
        lock = folder._path.with_suffix(".lock")
    with subprocess.Popen(
        [sys.executable, "-c", program, os.fspath(lock)],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with (
                pytest.raises(CheckpointError, match=f"received process {os.getpid()} on .*{RUN}"),
                run_folder(identity()),
            ):
                pass
        finally:
            process.kill()
    with run_folder(identity()) as folder:
        assert folder.interrupted is not None, "its death has released it"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"identity": {}}', '{"identity": 3}', "\0"])
def test_a_record_that_cannot_be_read_is_one_line(text, states):
    begun(identity())
    (record,) = states.glob("runs/*/run.json")
    record.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="expected the record of an interrupted run in"):
        interrupted_run(RUN)


def test_a_record_that_cannot_be_read_hides_no_other(states):
    begun(identity())
    (damaged,) = states.glob("runs/*/run.json")
    other = "f" * 32
    for regime in ("none", "more", "less"):  # one of them sorts behind the damaged one
        with run_folder(identity(regime=regime)) as folder:
            folder.begin(other, f"{regime}-seed0", "an experiment", {}, 0)
    damaged.write_text("{}", encoding="utf-8")
    said: list[str] = []
    assert [run.run_id for run, _ in interrupted_runs(said.append)] == [other] * 3
    (line,) = said
    assert "expected the record of an interrupted run in" in line
    assert interrupted_run(other).run_id == other


def test_parameters_of_another_version_are_one_line():
    begun(identity(configuration={"dropout": 0.5, "colour": "red"}))
    with pytest.raises(CheckpointError, match="received another colour"):
        interrupted_run(RUN).config  # noqa: B018


@pytest.mark.parametrize("place", ["/dev/null/state", "x" * 5_000])
def test_a_folder_that_cannot_be_made_is_one_line(place, monkeypatch):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", place)
    with (
        pytest.raises(CheckpointError, match="set FASHION_DROPOUT_STATE to a folder"),
        run_folder(identity()),
    ):
        pass
