"""The thread that delivers the journal of a run while the run goes on."""

from __future__ import annotations

import logging
import threading
import time

import mlflow

from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.delivery import deliver_or_refuse
from fashion_dropout.tracking.recording.outbox import Journal

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_GATHER_SECONDS = 20.0
_log = logging.getLogger("fashion_dropout")


class Sender:
    """Delivers a journal in a thread of its own, in order, and again until the store takes it.

    The journal is the sender's until `stop`.

    Attributes:
        trouble: Why the store has not taken something, in one line.
    """

    def __init__(self, journal: Journal, tracking_uri: str) -> None:
        self._journal = journal
        self._client = mlflow.MlflowClient(tracking_uri)
        # A server, which many runs may share, gets the metrics of some epochs at once.
        self._gather = _GATHER_SECONDS if tracking_uri.startswith("http") else 0.0
        self._wake = threading.Event()
        self._stopped = False
        self._failures = 0
        self.trouble = "no answer in time"
        self._progress = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True, name="delivers")
        self._thread.start()

    def settle(self, timeout: float) -> bool:
        """Wait until all is delivered; whether it is. It is given up after so many seconds without
        progress, or after two attempts.
        """
        failures, began = self._failures, time.monotonic()
        self._wake.set()
        while not self._journal.wait_until_delivered(0.1):
            stalled = time.monotonic() - max(began, self._progress) > timeout
            if stalled or self._failures >= failures + 2:
                return False
        return True

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True
        self._journal.stop_waiting()
        self._wake.set()
        self._thread.join(1)

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped:
            entries = self._journal.next(60, self._progress + self._gather)
            if not entries:
                continue
            try:
                deliver_or_refuse(self._client, self._journal, entries)
            except TrackingError as error:
                if not self._failures:
                    _log.warning(
                        "warning: %s; the run goes on, and what it records is kept in %s until the "
                        "store answers",
                        error,
                        self._journal.folder,
                    )
                self._failures += 1
                self.trouble = str(error)
                self._wake.clear()
                self._wake.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._progress, pause = time.monotonic(), _FIRST_PAUSE
