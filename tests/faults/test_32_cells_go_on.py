"""Row 32: SIGKILL of the program that runs a study; its cells go on from their checkpoints."""

from __future__ import annotations

import signal

import pytest

from conftest import ROOT, run_command
from faults.interrupting import recorded, running, runs, speeds

SMOKE = ROOT / "experiments/dropout/smoke.toml"
EPOCHS = 12


@pytest.mark.long
@pytest.mark.slow
def test_the_same_command_leaves_one_run_a_cell_with_the_bits_of_an_undisturbed_study(
    tmp_path_factory,
):
    found = {}
    for name in ("killed", "whole"):
        cwd = tmp_path_factory.mktemp(name)
        study = cwd / "study.toml"
        text = SMOKE.read_text(encoding="utf-8").replace("[0, 1, 2]", "[0]")
        study.write_text(text.replace("epochs = 3", f"epochs = {EPOCHS}"), encoding="utf-8")
        command = ("compare", str(study), "--workers", "2")
        if name == "killed":
            with running(*command, cwd=cwd) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    if f"epoch 3/{EPOCHS}" in line:
                        break
                process.send_signal(signal.SIGKILL)
                process.wait()
            before = {run.info.run_id: run.info.status for run in runs(cwd)}
            assert "RUNNING" in before.values()
        done = run_command(*command, cwd=cwd)
        assert done.returncode == 0, done.stderr
        cells = {run.info.run_name: run for run in runs(cwd)}
        assert len(runs(cwd)) == len(cells) == 2, "one run a cell"
        found[name] = {cell: recorded(run) for cell, run in cells.items()}
        assert all(speeds(run) == list(range(1, EPOCHS + 1)) for run in cells.values())
        if name == "killed":
            assert before.keys() <= {run.info.run_id for run in cells.values()}
            assert max(int(run.data.tags.get("resumed", "0")) for run in cells.values()) >= 3
    assert found["killed"] == found["whole"]
    assert {cell.status for cell in found["whole"].values()} == {"FINISHED"}
