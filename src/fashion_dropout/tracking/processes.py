"""Which process a run belongs to, and whether that process still lives: host, pid, start time."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import psutil

HOST, PID, STARTED = "process.host", "process.pid", "process.started"
_SAME_START = 1.0  # seconds; start times of processes are told in hundredths


def this_process() -> dict[str, str]:
    """The tags that name this process."""
    process = psutil.Process()
    return {
        HOST: socket.gethostname(),
        PID: str(process.pid),
        STARTED: f"{process.create_time():.2f}",
    }


def is_of_this_machine(tags: Mapping[str, str]) -> bool:
    """Whether the process that these tags name is or was one of this machine."""
    return tags.get(HOST) == socket.gethostname()


def has_died(tags: Mapping[str, str]) -> bool:
    """Whether the process that these tags name was one of this machine, and is no more.

    A process of another machine is never said to have died: it cannot be seen from here.
    """
    if not is_of_this_machine(tags):
        return False
    try:
        process = psutil.Process(int(tags[PID]))
        same = abs(process.create_time() - float(tags[STARTED])) < _SAME_START
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
