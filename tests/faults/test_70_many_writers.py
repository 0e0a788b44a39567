"""Row 70: more runs write at the same time than MLflow's server has connections to its database.

A request that logs a batch holds one connection and asks for a second one. With the usual fifteen
of SQLAlchemy, fifteen such requests can wait for each other (MLflow 3.17.2).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag

from postgresql import postgresql, programs_of_postgresql
from tracking_server import connections_of_deploy, tracking_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not programs_of_postgresql(), reason="no PostgreSQL on this machine"),
]
WRITERS, BATCHES = 50, 4


def test_with_the_connections_of_deploy_all_of_them_are_answered(tmp_path, monkeypatch):
    """The server works on forty requests at a time: so many connections, and a few for the second
    ones, are enough, whatever the order.
    """
    pool = connections_of_deploy()
    assert sum(map(int, pool.values())) > 40
    # A wait for a connection ends after thirty seconds; who waited for so long got an error.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "25")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with postgresql() as database, tracking_server(tmp_path, store=database.uri, **pool) as address:
        client = mlflow.MlflowClient(address)
        experiment = client.create_experiment("many")
        runs = [client.create_run(experiment).info.run_id for _ in range(WRITERS)]

        def write(run_id: str) -> None:
            for step in range(BATCHES):
                client.log_batch(
                    run_id,
                    metrics=[Metric("loss", 0.5, 0, step)],
                    params=[Param(f"p{step}", "1")],
                    tags=[RunTag("t", str(step))],
                )

        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(write, runs))
        for run_id in runs:
            run = client.get_run(run_id).data
            assert (len(run.params), run.tags["t"]) == (BATCHES, str(BATCHES - 1))
            steps = [metric.step for metric in client.get_metric_history(run_id, "loss")]
            assert steps == list(range(BATCHES))
