#!/usr/bin/env bash
# Guess:     while the database of its users cannot be read, MLflow's server with basic auth answers every
#            request with a right password alike: an error of its own (5xx), after which a client tries again.
# Behaviour: most routes do. Those for artifacts answer 401, "you are not authenticated", as to a wrong
#            password. A client that takes a 401 for final gives up what it wanted to store, though the same
#            request is taken as soon as the database can be read again.
# Version:   mlflow 3.17.2 with its extra auth, users in SQLite, held by somebody else for longer than SQLite
#            waits, as while it is copied.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install "mlflow[auth]==3.17.2"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > users.ini <<'INI'
[mlflow]
default_permission = READ
database_uri = sqlite:///users.db
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
INI
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_FLASK_SERVER_SECRET_KEY=for-this-trial
export MLFLOW_AUTH_ADMIN_PASSWORD=of-this-trial-only MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
export MLFLOW_AUTH_CONFIG_PATH="$folder/users.ini"
PATH="$folder/venv/bin:$PATH" venv/bin/mlflow server --app-name basic-auth --workers 1 \
  --backend-store-uri sqlite:///see.db --host 127.0.0.1 --port "$port" > server.log 2>&1 &
server=$!
cat > see.py <<'PYTHON'
import base64
import sqlite3
import sys
import time
import urllib.error
import urllib.request

home = f"http://127.0.0.1:{sys.argv[1]}"
word = base64.b64encode(b"admin:of-this-trial-only").decode()
known = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}


def status(method: str, path: str, body: bytes | None = None) -> int:
    request = urllib.request.Request(home + path, body, known, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def both() -> tuple[int, int]:
    search = status("POST", "/api/2.0/mlflow/experiments/search", b'{"max_results": 1}')
    return search, status("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/seen.txt", b"seen")


for _ in range(120):
    try:
        status("GET", "/health")
        break
    except OSError:
        time.sleep(1)
users = sqlite3.connect("users.db", isolation_level=None)
users.execute("BEGIN EXCLUSIVE")
held = both()
users.execute("ROLLBACK")
free = both()
print(f"search, artifact: while the users cannot be read {held}, afterwards {free}")
assert free == (200, 200)
assert held[0] >= 500 and held[1] == 401, "this has changed"
PYTHON
venv/bin/python see.py "$port"
