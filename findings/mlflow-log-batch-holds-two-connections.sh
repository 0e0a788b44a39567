#!/usr/bin/env bash
# Guess:     a request to log a batch uses one connection of SQLAlchemy's pool: `log_batch` opens a session, and
#            what it calls to write parameters, metrics and tags works in that session.
# Behaviour: `log_batch` keeps its own session open, in which it has read the run, while parameters, metrics and tags are
#            each written in a session of their own. So it holds two connections at once, where `set_tag` or
#            `log_metric` hold one. A pool that is as large as the number of requests served at
#            once (SQLAlchemy's usual one has fifteen) is too small by half: requests wait for each other's second one.
# Version:   mlflow 3.17.2 with sqlalchemy 2.1.9, SQLite; the code is the same for every database.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install mlflow==3.17.2 sqlalchemy==2.1.9
cat > see.py <<'PYTHON'
import logging

import mlflow
import sqlalchemy
from mlflow.entities import Metric, Param, RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

logging.disable(logging.INFO)
store = SqlAlchemyStore("sqlite:///mlflow.db", "artifacts")
experiment = store.create_experiment("batches")
run_id = store.create_run(experiment, "somebody", 0, [], "one").info.run_id
out, most = 0, 0


@sqlalchemy.event.listens_for(store.engine, "checkout")
def taken(*_):
    global out, most
    out += 1
    most = max(most, out)


@sqlalchemy.event.listens_for(store.engine, "checkin")  # codespell:ignore checkin
def given_back(*_):
    global out
    out -= 1


def connections_of(write) -> int:
    global most
    most = 0
    write()
    assert out == 0
    return most


counts = [
    connections_of(lambda: store.set_tag(run_id, RunTag("a", "1"))),
    connections_of(lambda: store.log_metric(run_id, Metric("loss", 0.5, 0, 0))),
    connections_of(
        lambda: store.log_batch(run_id, [Metric("loss", 0.4, 1, 1)], [Param("p", "1")], [RunTag("b", "1")])
    ),
]
print(f"mlflow {mlflow.__version__}: connections held at once by set_tag {counts[0]}, log_metric {counts[1]}, "
      f"log_batch {counts[2]}")
assert counts == [1, 1, 2], "this has changed"
PYTHON
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python see.py
