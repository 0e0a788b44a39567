"""A real tracking server on this machine, and a gateway before it that refuses some requests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from conftest import clean_environment

READ_ONLY = b'{"error_code": "PERMISSION_DENIED", "message": "read only"}'


@contextmanager
def tracking_server(store: str, folder: Path) -> Iterator[str]:
    """`mlflow server` over a store; its address.

    Args:
        store: The URI of the store.
        folder: Where it keeps artifacts.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--backend-store-uri", store],
        cwd=folder,
        env=clean_environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


Refusal = tuple[int, bytes]


def refusing(
    word: str, server: str, status: int = 403, body: bytes = READ_ONLY
) -> AbstractContextManager[str]:
    """A gateway that refuses each request with `word` in its path, and passes on the rest.

    Args:
        word: Part of the path of what is refused.
        server: The address of the tracking server behind it.
        status: What it answers then.
        body: As `status`.
    """
    return gateway(server, lambda path, _: (status, body) if word in path else None)


@contextmanager
def gateway(server: str, refusal: Callable[[str, int], Refusal | None]) -> Iterator[str]:
    """A gateway in front of a tracking server; its address.

    Args:
        server: The address of the tracking server behind it.
        refusal: What it answers to a path and a body of so many bytes; None to pass it on.
    """

    class Gateway(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if refused := refusal(self.path, len(sent)):
                self.reply(*refused)
                return
            kept = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            request = urllib.request.Request(
                f"{server}{self.path}", sent or None, kept, method=self.command
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.reply(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self.reply(error.code, error.read())

        def reply(self, code: int, content: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    gateway = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    serving = threading.Thread(target=gateway.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{gateway.server_port}"
    finally:
        gateway.shutdown()
        serving.join()
        gateway.server_close()
