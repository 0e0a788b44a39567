"""A worker waits for a store that is away: its restart must not cost a study all waiting cells.

While a cell trains, its journal has what the store has not. So only its beginning and its end wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from fashion_dropout.errors import TrackingError, UndeliveredError
from fashion_dropout.progress import duration

AWAY_SECONDS = 600
"""How long the store may be away, at the beginning of a cell and at its end."""

_PAUSE_SECONDS = 5.0
_away_since: list[float] = []  # of this process: the cells of a worker wait once, not each in turn
_kept_since: list[float] = []  # the same of what they have recorded
_taken: dict[str, float] = {}  # store → when it has taken all of a run
_STILL_THERE_SECONDS = 5.0


def is_away(error: TrackingError) -> bool:
    """Whether an error of the store is one that passes: it has not answered, or not for itself."""
    from fashion_dropout.tracking.recording.delivery import is_refusal
    from fashion_dropout.tracking.store.timeouts import NoAnswerError

    cause = error if isinstance(error, NoAnswerError) else error.__cause__
    if cause is None or isinstance(cause, ImportError):
        return False
    return not is_refusal(cause) and getattr(cause, "error_code", "") != "UNAUTHENTICATED"


def until_it_answers(say: Callable[[str], None]) -> None:
    """Connect to the store of the study, in the folder and on the machine of this worker; `say` is
    told that it is waited for. One that has just taken a run is not asked, unless it is a file.

    Raises:
        UsageError: It is a SQLite file that does not exist.
        TrackingError: It has not answered for `AWAY_SECONDS`, or it answers and refuses.
    """
    import mlflow

    from fashion_dropout.tracking.store.connect import connect_to_existing
    from fashion_dropout.tracking.store.database import sqlite_path

    uri, announced = mlflow.get_tracking_uri(), False
    taken = _taken.pop(uri, -math.inf)
    if sqlite_path(uri) is None and time.monotonic() < taken + _STILL_THERE_SECONDS:
        return
    while True:
        try:
            connect_to_existing()
            _away_since.clear()
            return
        except TrackingError as error:
            if not is_away(error):
                raise
            if not _away_since:
                _away_since.append(time.monotonic())
            if time.monotonic() > _away_since[0] + AWAY_SECONDS:
                raise
            if not announced:
                say(f"{error}; cells wait for it for {duration(AWAY_SECONDS)}")
            announced = True
            time.sleep(_PAUSE_SECONDS)


def until_delivered(error: UndeliveredError, say: Callable[[str], None]) -> None:
    """Deliver what the run has recorded that ended with this error, as soon as the store takes it;
    `say` is told that it is waited for.

    Raises:
        UndeliveredError: The store has taken neither it nor what was recorded before it for
            `AWAY_SECONDS`, as behind a proxy that lets no large body through.
    """
    from fashion_dropout.tracking.recording.outbox import has_journal
    from fashion_dropout.tracking.recording.recovery import tidy

    if not _kept_since:
        _kept_since.append(time.monotonic())
        say(f"{error}; it is tried again for {duration(AWAY_SECONDS)}")
    until = _kept_since[0] + AWAY_SECONDS
    while has_journal(error.run_id):
        if time.monotonic() > until:
            raise error
        time.sleep(_PAUSE_SECONDS)
        try:
            tidy(lambda line: None)
        except TrackingError:  # it still does not answer
            continue
    was_taken()


def was_taken() -> None:
    """The store has taken what a run has recorded: the next time, it is waited for anew."""
    import mlflow

    _away_since.clear()
    _kept_since.clear()
    _taken[mlflow.get_tracking_uri()] = time.monotonic()
