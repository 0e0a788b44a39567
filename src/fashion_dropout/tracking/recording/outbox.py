"""The journal of a run: everything that it has to tell the store, on this disk before it is sent.

One folder a run, under the user's state directory::

    journal/<run id>/run.json        which run of which store, and whose process it is
                     entries.jsonl   one entry a line, in order
                     delivered       how many of them the store has
                     files/<time>/   what an entry has to deliver as files
                     model_id        what the store calls the run's model
                     refused         why the store did not take an entry
                     lock            held by the one process that may write and deliver

An entry carries the time at which it was written, and the store takes the same metric of the same
time only once. So an entry may be sent again when nobody knows whether it has arrived. The folder
is removed when all of it is delivered and the run has ended.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fashion_dropout.errors import TrackingError
from fashion_dropout.state import VARIABLE, state_folder, write_durably
from fashion_dropout.tracking.recording.entries import OF_A_BATCH, Entry, parsed, together

_ABOUT, _ENTRIES, _DELIVERED = "run.json", "entries.jsonl", "delivered"
_FILES, _MODEL, _REFUSED = "files", "model_id", "refused"


class HeldError(TrackingError):
    """Another process works on the journal."""


class Journal:
    """One journal, held by this process until it is closed.

    Args:
        about: What `run.json` is to say; None to read it.

    Attributes:
        ended: Whether the last entry, delivered or not, is the end of the run.
        has_no_model: Whether the store cannot have a model of the run yet: this process has begun
            the run, and has not tried.

    Raises:
        HeldError: Another process holds it.
        TrackingError: The folder cannot be read or written, or this version does not understand it.
    """

    def __init__(self, folder: Path, about: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._lock = FileLock(folder / "lock", timeout=0, thread_local=False)
        self._changed = threading.Condition()
        self._stopped = self._awaited = self.has_no_model = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            if about is not None:
                write_durably(folder / _ABOUT, [json.dumps(about).encode()])
            self.about = _about(folder / _ABOUT)
            entries = folder / _ENTRIES
            # What stands behind the last line break was cut off when its writer was killed.
            whole = entries.read_bytes().split(b"\n")[:-1] if entries.exists() else []
            self.delivered = min(int(self._read(_DELIVERED) or 0), len(whole))
            self._waiting = deque(map(parsed, whole[self.delivered :]))
            self.ended = bool(whole) and parsed(whole[-1])["kind"] == "end"
            self._refusal = self._read(_REFUSED)
            self._stream = entries.open("ab", buffering=0)
            self._size = sum(len(line) + 1 for line in whole)
            self._stream.truncate(self._size)
        except Timeout as error:
            raise HeldError(
                f"expected run {folder.name} to be of no other process, received one that works on "
                "it; wait until that has ended, or stop it"
            ) from error
        except ValueError as error:
            self._lock.release()
            raise TrackingError(
                f"expected what run {folder.name} has recorded in {folder}, received: "
                f"{error}; use the version of the program that wrote it, or remove the folder and "
                "with it what the store does not have yet"
            ) from error
        except OSError as error:
            self._lock.release()
            raise TrackingError(
                f"expected a folder {folder} to keep what the run records in, received: {error}; "
                f"make room or set {VARIABLE} to another place"
            ) from error

    def write(self, kind: str, **content: Any) -> int:
        """Bring an entry to the disk; returns its time, in milliseconds since 1970.

        Raises:
            TrackingError: There is no room, or the folder is gone.
        """
        entry = {"kind": kind, "time": (now := int(time.time() * 1000)), **content}
        with self._changed:
            line = json.dumps(entry).encode() + b"\n"
            try:
                if self._stream.write(line) != len(line):  # the rest of the disk's room
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._stream.fileno())
            except (OSError, ValueError) as error:
                with suppress(OSError, ValueError):
                    self._stream.truncate(self._size)
                raise TrackingError(
                    f"expected room for what the run records in {self.folder}, received: {error}"
                ) from error
            self._size += len(line)
            self.ended = kind == "end"
            self._waiting.append(entry)
            self._changed.notify_all()
        return now

    def new_files(self) -> str:
        """The name of a new folder, below `folder`, for the files of an entry that is to come."""
        name = f"{_FILES}/{time.time_ns()}"
        (self.folder / name).mkdir(parents=True)
        return name

    def next(self, seconds: float, gather_until: float = 0.0) -> list[Entry]:
        """The first entries that are not delivered, which one request can take; at least one.

        Args:
            seconds: How long to wait for the first; without one there are none.
            gather_until: Until when more of them are waited for, by `time.monotonic`, while all
                that wait can be sent together and nobody waits for their delivery.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped, seconds)
            if self._waiting:
                self._changed.wait_for(self._cannot_wait, gather_until - time.monotonic())
            return together(self._waiting)

    def _cannot_wait(self) -> bool:
        others = any(entry["kind"] not in OF_A_BATCH for entry in self._waiting)
        return self._stopped or self._awaited or others

    def stop_waiting(self) -> None:
        """Let `next` answer at once from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def has_delivered(self, entries: list[Entry]) -> None:
        """Take note that the first waiting entries are in the store."""
        with self._changed:
            for _ in entries:
                self._waiting.popleft()
            self.delivered += len(entries)
            self._awaited = self._awaited and bool(self._waiting)
            with suppress(OSError):  # then it is sent once more, which changes nothing
                (self.folder / _DELIVERED).write_text(str(self.delivered), encoding="ascii")
            self._changed.notify_all()
        for entry in entries:
            if files := entry.get("files"):
                shutil.rmtree(self.folder / files, ignore_errors=True)

    def wait_until_delivered(self, seconds: float) -> bool:
        """Wait for so many seconds at most; whether nothing waits any more."""
        with self._changed:
            self._awaited = bool(self._waiting)
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    @property
    def undelivered(self) -> int:
        """How many entries wait."""
        return len(self._waiting)

    @property
    def model_id(self) -> str | None:
        """The id that the store has given to the run's model; None before it has."""
        return self._read(_MODEL) or None

    @model_id.setter
    def model_id(self, model_id: str) -> None:
        write_durably(self.folder / _MODEL, [model_id.encode()])

    @property
    def refusal(self) -> str:
        """Why the store did not take an entry; empty if it has taken all."""
        return self._refusal

    @refusal.setter
    def refusal(self, why: str) -> None:
        self._refusal = why
        with suppress(OSError):  # the disk that has no room for the store may be this one
            write_durably(self.folder / _REFUSED, [why.encode()])

    def _read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def close(self, *, remove: bool) -> None:
        """Let go of the journal, and remove it if all of it is delivered and no more is to come."""
        self._stream.close()
        if remove:
            with suppress(OSError):  # first: without it, nobody takes the rest for a journal
                (self.folder / _ABOUT).unlink()
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


def journals() -> Path:
    """The folder of all journals of this user."""
    return state_folder() / "journal"


def has_journal(run_id: str) -> bool:
    """Whether a run has a journal. A folder without `run.json` holds nothing yet: its process was
    killed, or had no room, when it made it.
    """
    return (journals() / run_id / _ABOUT).exists()


def _about(path: Path) -> dict[str, str]:
    about = json.loads(path.read_bytes())
    if not isinstance(about, dict) or not {"store", "name"} <= about.keys():
        raise ValueError(f"a file {path.name} that does not name a run and its store")
    return about
