#!/usr/bin/env bash
# Guess:     a metric of a logged model that is logged again, by a client that was not sure whether it
#            had arrived, is ignored if nothing differs, and kept or replaced if something does.
# Behaviour: the very same metric is ignored. The same metric with the dataset that it was measured on
#            is refused with the text of a UNIQUE constraint, although name, value, step and time are
#            equal; and then nothing of the batch is written, its new metrics neither.
# Version:   mlflow 3.17.2, SQLite.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install mlflow==3.17.2
cat > see.py <<'PYTHON'
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

client = MlflowClient("sqlite:///see.db")
experiment = client.create_experiment("see")
run = client.create_run(experiment).info.run_id
model = client.create_logged_model(experiment, "model", source_run_id=run).model_id


def metric(name, **more):
    return Metric(name, 0.5, 1000, 1, model_id=model, run_id=run, **more)


client.log_batch(run, metrics=[metric("loss")])
client.log_batch(run, metrics=[metric("loss")])
print("the very same metric again: ignored,", len(client.get_logged_model(model).metrics), "metric")
measured_on = {"dataset_name": "data", "dataset_digest": "0123"}
try:
    client.log_batch(run, metrics=[metric("loss", **measured_on), metric("accuracy")])
except MlflowException as error:
    said = " ".join(str(error).split())
else:
    raise SystemExit("this has changed: it is taken")
print("the same with its dataset, beside a new one:", said[:110])
assert "UNIQUE constraint failed" in said
names = {one.key for one in client.get_logged_model(model).metrics}
print("the model has", names)
assert names == {"loss"}, "this has changed"
PYTHON
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python see.py
