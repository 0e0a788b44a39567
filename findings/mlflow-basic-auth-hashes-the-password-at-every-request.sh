#!/usr/bin/env bash
# Guess:     MLflow's basic auth checks a password once; the requests that follow cost what they cost without
#            it, as clients send one after another.
# Behaviour: each request with a password verifies its slow hash anew (scrypt, made to take long), which takes
#            many times as long as the request itself. A run that records epoch by epoch pays it each time,
#            and one server process answers only a few requests a second. `auth_cache_ttl_seconds` in the file
#            of MLFLOW_AUTH_CONFIG_PATH lets a process remember it; by default it is 0, which is off.
# Version:   mlflow 3.17.2 with its extra auth, SQLite.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install "mlflow[auth]==3.17.2"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_FLASK_SERVER_SECRET_KEY=for-this-trial
export MLFLOW_AUTH_ADMIN_PASSWORD=of-this-trial-only MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
PATH="$folder/venv/bin:$PATH" venv/bin/mlflow server --app-name basic-auth --workers 1 \
  --backend-store-uri sqlite:///see.db --host 127.0.0.1 --port "$port" > server.log 2>&1 &
server=$!
cat > see.py <<'PYTHON'
import base64
import statistics
import sys
import time
import urllib.request

home = f"http://127.0.0.1:{sys.argv[1]}"
word = base64.b64encode(b"admin:of-this-trial-only").decode()


def seconds(path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    request = urllib.request.Request(home + path, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
        answer.read()
    return time.perf_counter() - began


for _ in range(120):
    try:
        seconds("/health", {})
        break
    except OSError:
        time.sleep(1)
path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
known = {"Authorization": f"Basic {word}"}
seconds(path, known)
without = statistics.median(seconds("/health", {}) for _ in range(10))
with_it = statistics.median(seconds(path, known) for _ in range(10))
from werkzeug.security import check_password_hash, generate_password_hash

stored = generate_password_hash("of-this-trial-only")
began = time.perf_counter()
assert check_password_hash(stored, "of-this-trial-only")
hashing = time.perf_counter() - began
print(f"medians of ten: /health {1000 * without:.1f} ms; with a password {1000 * with_it:.0f} ms")
print(f"to verify one such hash ({stored.split('$')[0]}) takes {1000 * hashing:.0f} ms")
assert hashing > 0.3 * with_it, "this has changed: most of a request is something else"
assert with_it > 5 * without
PYTHON
venv/bin/python see.py "$port"
