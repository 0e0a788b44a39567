#!/usr/bin/env bash
# Guess:     MlflowClient.log_text writes an artifact where the store that it asks says the run's
#            artifacts are.
# Behaviour: it writes where a store said so first. In one process, after the tracking URI has changed to
#            a copy of the store, in which the run has another artifact folder, a new client shows that
#            folder in get_run, and log_text still writes into the original one.
# Version:   mlflow 3.17.2, SQLite.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install mlflow==3.17.2
cat > see.py <<'PYTHON'
import shutil
import sqlite3
from pathlib import Path

import mlflow

here = Path.cwd()
(here / "original").mkdir()
mlflow.set_tracking_uri(f"sqlite:///{here}/original/see.db")
client = mlflow.MlflowClient()
experiment = client.create_experiment("see", artifact_location=str(here / "original/files"))
run = client.create_run(experiment).info.run_id
client.log_text(run, "first", "first.txt")
shutil.copytree("original", "copy")
with sqlite3.connect("copy/see.db") as database:
    for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
        database.execute(f"update {table} set {column} = replace({column}, '/original/', '/copy/')")
mlflow.set_tracking_uri(f"sqlite:///{here}/copy/see.db")
client = mlflow.MlflowClient()
print("the copy says", Path(client.get_run(run).info.artifact_uri).relative_to(here))
client.log_text(run, "second", "second.txt")
(written,) = here.glob("*/files/*/artifacts/second.txt")
print("log_text wrote", written.relative_to(here))
assert written.is_relative_to(here / "original"), "this has changed"
PYTHON
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python see.py 2>&1 | grep -v INFO
