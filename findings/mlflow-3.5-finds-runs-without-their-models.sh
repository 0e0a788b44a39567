#!/usr/bin/env bash
# Guess:     a run that `search_runs` finds is the run that `get_run` gives: the models that it has stored among
#            its outputs, which MLflow 3 introduced.
# Behaviour: in MLflow 3.5.0 a run that was found has no outputs (through a server, an empty list), while `get_run` has its model;
#            nothing says that they were not looked up. MLflow 3.6.0 gives the model in both. So a program that
#            searches for runs with a model finds none on a server that is a little older.
# Version:   mlflow 3.5.0 and 3.6.0 with sqlalchemy 2.0.44, SQLite.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
cat > see.py <<'PYTHON'
import sys

import mlflow
from mlflow.entities import LoggedModelOutput

mlflow.set_tracking_uri(f"sqlite:///{mlflow.__version__}.db")
client = mlflow.MlflowClient()
experiment = client.create_experiment("models")
run_id = client.create_run(experiment).info.run_id
model = client.create_logged_model(experiment, name="network", source_run_id=run_id)
client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=1)])
(found,) = client.search_runs([experiment])
counts = [len(run.outputs.model_outputs) if run.outputs else 0 for run in (client.get_run(run_id), found)]
print(f"mlflow {mlflow.__version__}: models in the run by get_run: {counts[0]}, by search_runs: {counts[1]}")
assert counts == [1, int(sys.argv[1])], "this has changed"
PYTHON
export MLFLOW_DISABLE_TELEMETRY=true
venv/bin/pip --quiet --quiet install mlflow==3.5.0 sqlalchemy==2.0.44
venv/bin/python see.py 0
venv/bin/pip --quiet --quiet install mlflow==3.6.0 sqlalchemy==2.0.44
venv/bin/python see.py 1
