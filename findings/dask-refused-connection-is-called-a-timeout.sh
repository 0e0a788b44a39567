#!/usr/bin/env bash
# Guess:     a client whose scheduler's port is closed says that the connection was refused: that is what
#            every one of its attempts meets, each at once.
# Behaviour: Dask tries again until its time is over. The last attempt gets what is left of the time, often
#            less than a refusal takes; then the cause of the error is a TimeoutError, and that every attempt
#            was refused is lost. Which of the two one gets is chance.
# Version:   distributed 2026.8.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --quiet install distributed==2026.8.0
cat > see.py <<'PYTHON'
import asyncio
import collections
import socket

from distributed.comm import connect

with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]
# Now nobody listens there.


async def cause() -> str:
    try:
        await connect(f"tcp://127.0.0.1:{port}", timeout=0.5)
    except OSError as error:
        last = error.__cause__
        while last.__cause__ is not None and not isinstance(last, TimeoutError):
            last = last.__cause__
        return type(last).__name__
    return "connected"


causes = collections.Counter(asyncio.run(cause()) for _ in range(30))
print("a closed port, 30 times; the cause of the error:", dict(causes))
assert "connected" not in causes
assert causes["TimeoutError"] > 0, "this has changed"
PYTHON
venv/bin/python see.py
