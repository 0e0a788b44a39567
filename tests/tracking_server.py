"""A real tracking server on this machine, and what stands before it: a gateway that refuses some
requests, and a proxy that breaks what passes in real ways.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from conftest import ROOT, clean_environment

HOST = "127.0.0.1"
READ_ONLY = b'{"error_code": "PERMISSION_DENIED", "message": "read only"}'


def connections_of_deploy() -> dict[str, str]:
    """The variables with which `deploy/` makes the server's pool of connections larger."""
    example = (ROOT / "deploy/server/server.env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^(MLFLOW_SQLALCHEMYSTORE_\w+)=(\d+)$", example, re.MULTILINE))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextmanager
def tracking_server(
    folder: Path,
    port: int | None = None,
    store: str | None = None,
    *,
    python: Sequence[str] = (sys.executable,),
    options: Sequence[str] = (),
    log: Path = Path(os.devnull),
    **environment: str,
) -> Iterator[str]:
    """`mlflow server`; the address that it answers at.

    Args:
        folder: Where it works and keeps artifacts.
        port: Where it listens; None for a free one.
        store: The URI of its store; None for a new one in the folder.
        python: The command of the Python whose MLflow it is.
        options: More options of the command.
        log: The file for what it says.
        environment: More variables.
    """
    address = f"http://{HOST}:{port or free_port()}"
    command = [*python, "-m", "mlflow", "server", "--workers", "1", "--host", HOST]
    command += ["--port", address.rpartition(":")[2]]
    command += ["--artifacts-destination", str(folder / "artifacts"), *options]
    own = {
        "MLFLOW_BACKEND_STORE_URI": store or f"sqlite:///{folder / 'server.db'}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with log.open("wb") as said:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(**own, **environment),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 120
        while True:
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server does not answer"
            with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=2):
                break
            time.sleep(0.1)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


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

    gateway = ThreadingHTTPServer((HOST, 0), Gateway)
    serving = threading.Thread(target=gateway.serve_forever)
    serving.start()
    try:
        yield f"http://{HOST}:{gateway.server_port}"
    finally:
        gateway.shutdown()
        serving.join()
        gateway.server_close()


class Proxy:
    """Passes connections on to a server, until `mode` says otherwise.

    Modes: ``pass``; ``drop``: connections are reset; ``silent``: requests are taken and never
    answered; ``drip``: an answer that comes one byte a second and never ends; ``busy``: 429 with a
    Retry-After of an hour; ``redirect``: to itself, for ever; ``deaf``: requests are passed on, and
    their answers are lost.
    """

    ANSWERS: ClassVar = {
        "busy": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    }

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.mode = "pass"
        self._listener = socket.create_server((HOST, 0))
        self.address = f"http://{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self.mode in ("pass", "deaf"):
                host, port = self.target.removeprefix("http://").split(":")
                with socket.create_connection((host, int(port))) as server:
                    self._pass(client, server)
            else:
                self._break(client)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([client, server], [], [], 0.05)
            if self.mode not in ("pass", "deaf"):
                return self._break(client)
            for source in ready:
                data = source.recv(65536)
                if not data or (self.mode == "deaf" and source is server):
                    return None
                (server if source is client else client).sendall(data)

    def _break(self, client: socket.socket) -> None:
        if self.mode == "drop":
            return
        while client.recv(65536):  # one round for each request of the connection
            if self.mode == "silent":
                time.sleep(3600)
            elif self.mode == "drip":
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    client.sendall(b" ")
                    time.sleep(1)
            elif self.mode in self.ANSWERS:
                client.sendall(self.ANSWERS[self.mode])
            else:
                return


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
