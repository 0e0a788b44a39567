#!/usr/bin/env bash
# Guess:     a metric that is NaN is NaN wherever it is read back.
# Behaviour: logged for a run, it is NaN in the run; logged for a run and a model, the model has 0.0, as
#            if the loss were perfect. So a search for the model with the lowest loss finds it first.
# Version:   mlflow 3.17.2, SQLite.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install mlflow==3.17.2
cat > see.py <<'PYTHON'
import math

from mlflow import MlflowClient
from mlflow.entities import Metric

client = MlflowClient("sqlite:///see.db")
experiment = client.create_experiment("see")
run = client.create_run(experiment).info.run_id
model = client.create_logged_model(experiment, "model", source_run_id=run).model_id
client.log_batch(run, metrics=[Metric("loss", math.nan, 1000, 1, model_id=model, run_id=run)])
of_run = client.get_run(run).data.metrics["loss"]
(of_model,) = client.get_logged_model(model).metrics
print(f"the run has loss = {of_run}, its model has loss = {of_model.value}")
assert math.isnan(of_run)
assert of_model.value == 0.0, "this has changed"
PYTHON
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python see.py
