"""How long the training waits when the tracking server is lost: time to the next epoch.

A run of generated images records to a real server; after its third epoch the server is killed, or
stopped, so that it takes connections and says nothing. The times are those at which the run's
journal received the epochs.

    uv run python benchmarks/server_loss.py [--epochs 30]
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import click

HOST, PORT = "127.0.0.1", 5917


def start_server(folder: Path) -> subprocess.Popen[bytes]:
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(PORT)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{PORT}/health", timeout=1):
            return server
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


def epochs_of(state: Path) -> list[float]:
    """When each epoch came to the journal, in seconds since 1970."""
    found: dict[int, float] = {}
    for path in state.glob("journal/*/entries.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            entry = json.loads(line)
            if entry["kind"] == "metrics" and "val/loss" in entry["metrics"]:
                found.setdefault(entry["step"], entry["time"] / 1000)
    return [found[step] for step in sorted(found)]


def lose(sign: signal.Signals, epochs: int) -> str:
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        server = start_server(folder)
        state = folder / "state"
        command = ("train", "--dataset", "synthetic", "--epochs", str(epochs))
        training = subprocess.Popen(
            [sys.executable, "-m", "fashion_dropout", *command],
            cwd=folder,
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": f"http://{HOST}:{PORT}",
                "FASHION_DROPOUT_STATE": str(state),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            seen: list[float] = []
            while len(seen) < 3 and training.poll() is None:
                time.sleep(0.02)
                seen = epochs_of(state)
            os.killpg(server.pid, sign)
            lost = time.time()
            code = training.wait(300)
            times = epochs_of(state)
            after = [moment for moment in times if moment > lost]
            if not after or len(times) != epochs:
                raise SystemExit(f"{len(times)} of {epochs} epochs, {len(after)} after the loss")
            pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
            before = pauses[: epochs - len(after) - 1]
            return (
                f"{sign.name}: next epoch {after[0] - lost:.2f} s after the loss; longest pause "
                f"between epochs {max(before):.2f} s before, {max(pauses[len(before) :]):.2f} s "
                f"after; exit code {code} {time.time() - after[-1]:.0f} s after the last epoch"
            )
        finally:
            training.kill()
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


@click.command()
@click.option("--epochs", default=30, show_default=True)
def main(epochs: int) -> None:
    for sign in (signal.SIGKILL, signal.SIGSTOP):
        print(lose(sign, epochs), flush=True)


if __name__ == "__main__":
    main()
