"""Row 67: the disk of the team's PostgreSQL is full, and has room again later."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pytest

from fashion_dropout.errors import UndeliveredError
from fashion_dropout.tracking.recording.outbox import has_journal
from fashion_dropout.tracking.recording.recovery import tidy
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.connect import connect
from faulty import fill, small_disk
from postgresql import postgresql, programs_of_postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not programs_of_postgresql(), reason="no PostgreSQL on this machine"),
]
STEPS = 300  # so many metrics need more pages than those that PostgreSQL has already
TAGS = {"role": "run"}


def test_a_run_keeps_what_it_records_until_there_is_room(workdir, monkeypatch, request):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))
    before = mlflow.get_tracking_uri()
    request.addfinalizer(lambda: mlflow.set_tracking_uri(before))
    with TemporaryDirectory() as folder:  # pytest's are closed to the user of the server
        Path(folder).chmod(0o755)
        with small_disk(Path(folder, "disk"), 160_000) as disk, postgresql(disk) as server:
            mlflow.set_tracking_uri(server.uri)
            connect()
            with (
                pytest.raises(UndeliveredError) as kept,
                tracked_run(name="n", description="d", params={}, tags=TAGS) as run,
            ):
                run.log_metrics({"val/loss": 0.5}, step=0)
                run.settle()
                fill(disk)
                for step in range(1, STEPS):
                    run.log_metrics({f"val/loss{n}": n + 0.5 for n in range(9)}, step=step)
            assert "No space left on device" in str(kept.value)
            assert has_journal(run.run_id)
            (disk / "full").unlink()
            connect()
            assert tidy(lambda line: None) == 0
            found = mlflow.get_run(run.run_id)
            assert found.info.status == "FINISHED"
            steps = mlflow.MlflowClient().get_metric_history(run.run_id, "val/loss8")
            assert [metric.step for metric in steps] == list(range(1, STEPS))
