"""A recorded model behind MLflow's real server, and the same model in this process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import psutil
import pytest

from conftest import ROOT, clean_environment
from fashion_dropout.learning.dataset import Synthetic

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

MLFLOW = str(Path(sys.executable).with_name("mlflow"))
IMAGES = Synthetic().test().images[:3]


@pytest.fixture(scope="module")
def model_uri(finished_run):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(finished_run.uri)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    yield f"models:/{run.outputs.model_outputs[0].model_id}"
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def expected(model_uri):
    return mlflow.pyfunc.load_model(model_uri).predict(IMAGES.astype(np.float32))


@pytest.fixture(scope="module")
def environment(finished_run):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    of_another_cpu = {"TF_ENABLE_ONEDNN_OPTS": "0"}  # as TensorFlow starts without AVX-512
    return clean_environment(PATH=path, MLFLOW_TRACKING_URI=finished_run.uri, **of_another_cpu)


@pytest.fixture(scope="module")
def server(model_uri, environment, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [
                *(MLFLOW, "models", "serve", "-m", model_uri, "--env-manager", "local"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.3)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def ask(server: str, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    request = urllib.request.Request(
        f"{server}/invocations", body, {"Content-Type": content_type}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_raw_grey_values_are_answered_with_the_probabilities_of_this_process(server, expected, key):
    status, answer = ask(server, json.dumps({key: IMAGES.tolist()}).encode())
    assert status == 200
    # The server gives an operation all cores; another number of threads gives other last bits.
    np.testing.assert_allclose(json.loads(answer)["predictions"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["use-the-model.md", "use-the-model.ja.md"])
def test_the_request_of_the_documents_works_as_it_is_printed(server, name):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if "| curl " in line]
    for printed, here in {
        "uv run python": sys.executable,
        "http://127.0.0.1:5002": server,
    }.items():
        assert printed in line
        line = line.replace(printed, here)
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True, timeout=60)
    (probabilities,) = json.loads(done.stdout)["predictions"]
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)


def changed(value: object) -> bytes:
    """A request in which one grey value is another."""
    images = IMAGES.tolist()
    images[0][3][4][0] = value
    return json.dumps({"inputs": images}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (changed(0.5), "whole numbers from 0 to 255, received 0.5"),
        (changed(256), "whole numbers from 0 to 255, received 256.0"),
        (changed(-1), "whole numbers from 0 to 255, received -1.0"),
        (changed(float("nan")), "whole numbers from 0 to 255, received nan"),
        (changed(float("inf")), "whole numbers from 0 to 255, received inf"),
        (json.dumps({"inputs": (IMAGES / 255).tolist()}).encode(), "were they divided by 255?"),
        (json.dumps({"inputs": IMAGES[..., 0].tolist()}).encode(), "does not match expected shape"),
        (json.dumps({"inputs": IMAGES[:, :27].tolist()}).encode(), "does not match expected shape"),
        (changed("dark"), "could not convert string to float"),
        (changed([0, 0]), "inhomogeneous"),
        (b'{"inputs": []}', "was found"),
        (b'{"images": [1]}', "must be"),
        (b"{", "valid JSON"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_bad_request_is_refused_with_its_reason_and_the_server_goes_on(
    server, expected, body, reason
):
    status, answer = ask(server, body)
    assert status == 400
    assert reason in answer
    status, answer = ask(server, json.dumps({"inputs": IMAGES.tolist()}).encode())
    assert status == 200


GOOD = json.dumps({"inputs": IMAGES.tolist()}).encode()


@pytest.mark.parametrize("levels", [100, 900])
def test_nested_json_is_refused(server, levels):
    status, _ = ask(server, b'{"inputs": ' + b"[" * levels + b"]" * levels + b"}")
    assert status == 400
    assert ask(server, GOOD)[0] == 200


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"inputs": ' + b"9" * 5_000 + b"}"], ids=["levels", "digits"]
)
def test_what_python_cannot_parse_does_not_stop_the_server(server, body):
    """MLflow 3.17.2 answers 500 here; that is its own, as docs/use-the-model.md says."""
    status, _ = ask(server, body)
    assert status in (400, 500)
    assert ask(server, GOOD)[0] == 200


@pytest.mark.parametrize(
    "body",
    [b"x" * 10**8, b" " * 10**8, b'{"inputs": "' + b"x" * 10**8 + b'"}'],
    ids=["text", "spaces", "a string"],
)
def test_a_body_of_100_megabytes_is_refused_and_its_memory_given_back(server, body):
    before = memory(server)
    status, _ = ask(server, body)
    assert status == 400
    assert ask(server, GOOD)[0] == 200
    assert memory(server) < before + 300 * 2**20


def test_fifty_clients_at_once_are_all_answered_alike(server):
    before = memory(server)
    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda _: ask(server, GOOD), range(200)))
    assert {status for status, _ in answers} == {200}
    assert len({answer for _, answer in answers}) == 1
    assert memory(server) < before + 300 * 2**20


def memory(address: str) -> int:
    """The resident bytes of the process that listens at an address."""
    port = int(address.rpartition(":")[2])
    (pid,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
    }
    return int(psutil.Process(pid).memory_info().rss)


def test_another_content_type_is_refused(server):
    status, answer = ask(server, IMAGES.tobytes(), "application/octet-stream")
    assert status == 415
    assert "application/json" in answer


def test_models_predict_gives_the_same(model_uri, environment, expected, tmp_path):
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"inputs": IMAGES.tolist()}), encoding="utf-8")
    subprocess.run(
        [
            *(MLFLOW, "models", "predict", "-m", model_uri, "--env-manager", "local"),
            *("-i", str(request), "-t", "json", "-o", str(tmp_path / "answer.json")),
        ],
        env=environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(answer["predictions"], expected, rtol=1e-4, atol=1e-6)
