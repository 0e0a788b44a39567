#!/usr/bin/env bash
# Guess:     an older MLflow, pinned and installed anew, still opens the SQLite store that it has written:
#            its upper bounds keep out what it cannot work with.
# Behaviour: MLflow 3.5.0 asks for sqlalchemy>=1.4.0,<3. With SQLAlchemy 2.0 it works; with 2.1, which pip
#            takes today, every SQL store ends in an ImportError: MLflow imports a pool that 2.1 no longer
#            has. So a project that pins MLflow alone loses its tracking without a change of its own.
# Version:   mlflow 3.5.0 with sqlalchemy 2.0.44 and 2.1.9.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
cat > see.py <<'PYTHON'
import sys

import sqlalchemy

try:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}.db")
    with mlflow.start_run():
        mlflow.log_metric("loss", 0.5)
    seen = f"{len(mlflow.search_runs())} run recorded"
except ImportError as error:
    seen = f"ImportError: {error.msg.split(' (')[0]}"
print(f"sqlalchemy {sqlalchemy.__version__}: {seen}")
assert seen.startswith(sys.argv[2]), "this has changed"
PYTHON
export MLFLOW_DISABLE_TELEMETRY=true
venv/bin/pip --quiet --quiet install mlflow==3.5.0 sqlalchemy==2.0.44
venv/bin/python see.py before "1 run recorded"
venv/bin/pip --quiet --quiet install sqlalchemy==2.1.9
venv/bin/pip check
venv/bin/python see.py after "ImportError: cannot import name 'FallbackAsyncAdaptedQueuePool'"
