#!/usr/bin/env bash
# Guess:     who asks a server for something that it does not have learns that from the error's code,
#            whatever the body of the answer is.
# Behaviour: a 404 with an HTML body, as of a proxy, is ENDPOINT_NOT_FOUND. A 404 with a JSON body that
#            is not MLflow's own, as FastAPI and many gateways write it, is INTERNAL_ERROR, as if the
#            server had failed; no attribute of the exception holds the 404.
# Version:   mlflow 3.17.2, with a server of Python's standard library.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install mlflow==3.17.2
cat > see.py <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

BODIES = {"text/html": b"<h1>Not Found</h1>", "application/json": b'{"detail": "Not Found"}'}
codes = {}
for kind, body in BODIES.items():

    class Nothing(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        MlflowClient(f"http://127.0.0.1:{server.server_port}").search_logged_models(["0"])
    except MlflowException as error:
        codes[kind] = error.error_code
        print(kind, "404:", error.error_code, "status", error.get_http_status_code())
    server.shutdown()
expected = {"text/html": "ENDPOINT_NOT_FOUND", "application/json": "INTERNAL_ERROR"}
assert codes == expected, "this has changed"
PYTHON
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python see.py
