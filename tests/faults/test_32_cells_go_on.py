"""Rows 23, 31 and 32: SIGKILL of the program that runs a study, and the same command again: no run
stays RUNNING, and cells go on from their checkpoints.

That a killed worker costs a cell its time but not its place: `tests/studies/test_compare.py`.
"""

from __future__ import annotations

import signal
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, run_command, run_here
from faults.interrupting import recorded, running, runs, speeds

SMOKE = ROOT / "experiments/dropout/smoke.toml"
EPOCHS = 12


def study_of(folder: Path, seeds: str) -> tuple[str, ...]:
    """The command of a study with these seeds, whose file is in a folder."""
    text = SMOKE.read_text(encoding="utf-8").replace("[0, 1, 2]", seeds)
    study = folder / "study.toml"
    study.write_text(text.replace("epochs = 3", f"epochs = {EPOCHS}"), encoding="utf-8")
    return "compare", str(study), "--workers", "2"


@pytest.mark.long
@pytest.mark.slow
def test_the_same_command_leaves_one_run_a_cell_with_the_bits_of_an_undisturbed_study(
    tmp_path_factory,
):
    killed, whole = (tmp_path_factory.mktemp(name) for name in ("killed", "whole"))
    command, state = study_of(killed, "[0, 1]"), {"FASHION_DROPOUT_STATE": str(killed / "state")}
    with running(*command, cwd=killed, environment=state) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f"epoch 3/{EPOCHS}" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.stdout.read()  # until its workers, which have it, too, are gone
    before = {run.info.run_id: run.info for run in runs(killed)}
    left = [of for of in before.values() if of.status == "RUNNING"]
    assert left
    status = run_here("status", cwd=killed, environment=state)
    for of in left:
        assert status.stdout.count(f"interrupted: {of.run_name}, run {of.run_id}") == 1
    assert "fashion-dropout compare" in status.stdout

    done = run_command(*command, cwd=killed, environment=state)
    assert done.returncode == 0, done.stderr
    cells = {run.info.run_name: run for run in runs(killed)}
    assert cells.keys() == {f"{r}-seed{s}-synthetic" for r in ("none", "dropout") for s in (0, 1)}
    assert len(runs(killed)) == len(cells), "one run a cell"
    assert before.keys() <= {run.info.run_id for run in cells.values()}
    assert max(int(run.data.tags.get("resumed", "0")) for run in cells.values()) >= 3
    assert all(speeds(run) == list(range(1, EPOCHS + 1)) for run in cells.values())
    found = {name: recorded(run) for name, run in cells.items()}
    assert {cell.status for cell in found.values()} == {"FINISHED"}
    (study,) = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'study'", output_format="list"
    )
    assert study.info.status == "FINISHED"
    assert "verdict" in study.data.tags
    assert "error" not in study.data.tags
    synced = run_here("sync", cwd=killed, environment=state)
    assert synced.stdout.startswith("nothing to do")

    done = run_command(*study_of(whole, "[0]"), cwd=whole)
    assert done.returncode == 0, done.stderr
    undisturbed = {run.info.run_name: recorded(run) for run in runs(whole)}
    assert len(undisturbed) == 2
    assert undisturbed.items() <= found.items()
