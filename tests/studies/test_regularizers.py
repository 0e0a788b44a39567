"""A study of other regularizers than dropout, one of which stops early."""

from __future__ import annotations

import mlflow
import pytest

from conftest import ROOT, run_command, run_here
from fashion_dropout.tracking.store.database import sqlite_uri
from fashion_dropout.tracking.store.finished import missing_parts

SMOKE = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
REGIMES = """
[base]
epochs = 8
learning_rate = 0.008
dropout = 0.0

[regimes.none]

[regimes.patience]
patience = 1

[regimes.much]
label_smoothing = 0.1
weight_decay = 0.01
schedule = "one-cycle"
augment = "flip+shift"
average = "ema"

[decision]
"""


@pytest.mark.long
@pytest.mark.slow
def test_a_study_of_regularizers_ends_with_its_verdict_and_invents_no_epoch(tmp_path):
    study = tmp_path / "smoke.toml"
    before, _, after = SMOKE.replace("[0, 1, 2]", "[0, 1]").partition("[base]")
    study.write_text(before + REGIMES + after.partition("[decision]")[2], encoding="utf-8")
    done = run_command("compare", str(study), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mlflow.set_tracking_uri(sqlite_uri(tmp_path / "mlflow.db"))
    client = mlflow.MlflowClient()
    found = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'run'", output_format="list"
    )
    assert len(found) == 6
    of = {run.info.run_name.removesuffix("-synthetic"): run for run in found}
    stopped = {name: run.data.tags.get("stopped.epoch") for name, run in of.items()}
    assert {name for name, epoch in stopped.items() if epoch} == {
        "patience-seed0",
        "patience-seed1",
    }
    for name, run in of.items():
        last = int(stopped[name] or 8)
        assert (last < 8) == (stopped[name] is not None)
        assert run.info.status == "FINISHED"
        assert missing_parts(run) == []
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "val/loss")]
        assert steps == list(range(1, last + 1))
        (test,) = client.get_metric_history(run.info.run_id, "test/accuracy")
        assert test.step == last
    for seed in "01":  # both start equal, and are equal for as long as both go on
        one, other = (of[f"{regime}-seed{seed}"] for regime in ("none", "patience"))
        curves = [
            [m.value for m in client.get_metric_history(run.info.run_id, "train/loss")]
            for run in (one, other)
        ]
        assert curves[0][: len(curves[1])] == curves[1]
        rate = client.get_metric_history(of[f"much-seed{seed}"].info.run_id, "learning_rate")
        assert max(metric.value for metric in rate) < 0.008
        assert rate[-1].value == pytest.approx(0.008 / 25e4)

    again = run_here("compare", str(study), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "0 of 6 cells to run" in again.stdout
    repeated = run_here("verify", of["patience-seed0"].info.run_id, cwd=tmp_path)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
