"""Row 29: requests that did not begin on this machine, to the server as ``ui`` starts it."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator

import mlflow
import psutil
import pytest

from conftest import ROOT, clean_environment
from fashion_dropout.config.study import read_study
from recorded import record_study
from registered import using

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """Where `fashion-dropout ui` serves a store with one study."""
    folder = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with using(uri):
        record_study(read_study(ROOT / "experiments/dropout/smoke.toml"))
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", "ui", "--no-browser"],
        cwd=folder,
        env=clean_environment(PYTHONUNBUFFERED="1", MLFLOW_SERVER_ALLOWED_HOSTS="*"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    yield int(said.partition("http://127.0.0.1:")[2].partition("/")[0])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def ask(port: int, method: str, path: str, body: str = "", **headers: str) -> int:
    """The status of the answer to a request whose path is sent as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    status = connection.getresponse().status
    connection.close()
    return status


SEARCH = ("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}')
JSON = {"Content-Type": "application/json"}


def test_this_machine_is_answered(port):
    assert ask(port, *SEARCH, **JSON) == 200
    assert ask(port, *SEARCH, **JSON, Host=f"localhost:{port}") == 200
    assert ask(port, *SEARCH, **JSON, Origin=f"http://127.0.0.1:{port}") == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example",
                                  "10.0.0.1", "192.168.0.1:5000", ""])  # fmt: skip
def test_another_name_of_the_host_is_refused(port, host):
    """A page could point its own name at 127.0.0.1."""
    assert 400 <= ask(port, *SEARCH, **JSON, Host=host) < 500


@pytest.mark.parametrize("origin", ["http://evil.example", "https://evil.example", "null",
                                    "http://127.0.0.1.evil.example"])  # fmt: skip
def test_a_page_of_another_site_cannot_write(port, origin):
    made = ("POST", "/api/2.0/mlflow/experiments/create", '{"name": "planted"}')
    assert 400 <= ask(port, *made, **JSON, Origin=origin) < 500


@pytest.mark.parametrize(
    "path",
    [
        "/get-artifact?run_uuid={run}&path=../../../../../../../../etc/passwd",
        "/get-artifact?run_uuid={run}&path=..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/get-artifact?run_uuid={run}&path=%252e%252e%252f%252e%252e%252fetc%252fpasswd",
        "/get-artifact?run_uuid={run}&path=/etc/passwd",
        "/get-artifact?run_uuid={run}&path=file:///etc/passwd",
        "/static-files/../../../../../../etc/passwd",
        "/static-files/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/api/2.0/mlflow-artifacts/artifacts/..%2f..%2f..%2fetc%2fpasswd",
    ],
)
def test_a_path_that_leads_out_of_the_store_is_refused(port, path):
    with using(f"http://127.0.0.1:{port}"):
        (run, *_) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert 400 <= ask(port, "GET", path.format(run=run.info.run_id)) < 500


def test_it_listens_on_this_machine_only(port):
    listening = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
