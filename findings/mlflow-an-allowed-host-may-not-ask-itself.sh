#!/usr/bin/env bash
# Guess:     A server of MLflow that allows the name of the proxy before it (--allowed-hosts) serves its pages under
#            that name, as a page asks the server that it came from.
# Behaviour: the page is served, but each POST of it is answered with 403 "Cross-origin request blocked": the
#            address that a browser sends as Origin is compared with a list of its own, not with the host that
#            was asked. So the page lists no run. With --cors-allowed-origins for the same name it does.
# Version:   mlflow 3.17.2, SQLite.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install "mlflow==3.17.2"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
answers() {  # options of the server → status of a page, and of what a page asks for
  local port status
  port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  PATH="$folder/venv/bin:$PATH" venv/bin/mlflow server --workers 1 --backend-store-uri sqlite:///see.db \
    --host 127.0.0.1 --port "$port" --allowed-hosts "127.0.0.1:*,mlflow.example.org" "$@" > server.log 2>&1 &
  server=$!
  for _ in $(seq 120); do
    curl --silent --output /dev/null "http://127.0.0.1:$port/health" && break
    sleep 1
  done
  status() {
    curl --silent --output /dev/null --write-out '%{http_code}' --max-time 30 \
      -H 'Host: mlflow.example.org' "$@"
  }
  status "http://127.0.0.1:$port/"
  printf ' '
  status -H 'Origin: https://mlflow.example.org' -H 'Content-Type: application/json' \
    --data '{"max_results": 1}' "http://127.0.0.1:$port/ajax-api/2.0/mlflow/experiments/search"
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=
}
answers > hosts
answers --cors-allowed-origins https://mlflow.example.org > origins
echo "with the allowed host alone: the page, and what it asks for: $(cat hosts)"
echo "with the allowed origin too: the page, and what it asks for: $(cat origins)"
[ "$(cat hosts)" = "200 403" ]
[ "$(cat origins)" = "200 200" ]
