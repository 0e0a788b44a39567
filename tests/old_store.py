"""Print a store of an older MLflow as SQL. The tests read ``mlflow-3.5.0.sql``, made by

uv run --isolated --no-project --with "mlflow==3.5.0" --with "sqlalchemy<2.1" \
    python tests/old_store.py > tests/mlflow-3.5.0.sql
"""

import os
import sqlite3
import tempfile
from contextlib import closing

import mlflow

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment("fashion-mnist-dropout"), tags={"role": "run"})
    client.log_metric(run.info.run_id, "val/loss", 0.25, step=1)
    client.set_terminated(run.info.run_id)
    with closing(sqlite3.connect("mlflow.db")) as database:
        for line in database.iterdump():
            print(line.replace(folder, "/data"))
