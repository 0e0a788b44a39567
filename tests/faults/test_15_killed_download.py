"""Row 15: a download killed half-way: no file under its final name, and nothing left for good."""

from __future__ import annotations

import http.server
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from conftest import clean_environment
from fashion_dropout.errors import DataError
from fashion_dropout.learning import archives

SIZE = 1_000_000


class Stalling(http.server.BaseHTTPRequestHandler):
    """Sends half of a file and then nothing more."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(bytes(SIZE // 2))
        self.wfile.flush()
        self.server.stop.wait(60)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    server.stop = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.stop.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_killed_download_leaves_no_archive_and_the_next_start_removes_its_rest(
    workdir, monkeypatch, mirror
):
    code = (
        "import sys; from pathlib import Path; from fashion_dropout.learning import archives\n"
        "archives.CHECKOUT = Path('none'); archives.locate(mirrors=[sys.argv[1]])"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(workdir / "cache"))
    cache = workdir / "cache" / "fashion-mnist-dropout"
    killed = subprocess.Popen(
        [sys.executable, "-c", code, mirror],
        env=clean_environment(XDG_CACHE_HOME=str(workdir / "cache")),
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        left = list(cache.glob("*"))
        if left and left[0].stat().st_size:
            break
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(left) == 1
    assert left[0].name not in archives.SHA256
    monkeypatch.setattr(archives, "CHECKOUT", workdir / "no checkout")
    with pytest.raises(DataError, match="refused"):
        archives.locate(mirrors=["http://127.0.0.1:9/"])
    assert list(cache.iterdir()) == []
