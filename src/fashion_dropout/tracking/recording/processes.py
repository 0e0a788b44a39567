"""Which process a run belongs to, and whether that process still lives: host, pid, start time."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

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


def has_died(tags: Mapping[str, str], ended_host: str | None = None) -> bool:
    """Whether the process that these tags name was one of this machine, and is no more.

    A process of another machine cannot be seen from here. It is said to have died only if the user
    says so of `ended_host`, which may be another name of this machine.
    """
    if not is_of_this_machine(tags):
        return ended_host is not None and tags.get(HOST) == ended_host
    try:
        process = psutil.Process(int(tags[PID]))
        same = abs(process.create_time() - float(tags[STARTED])) < _SAME_START
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def others_have_open(path: Path) -> bool:
    """Whether another process of this machine has a file open, as far as this user may see."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(
                opened.path == str(path) for opened in process.open_files()
            ):
                return True
    return False
