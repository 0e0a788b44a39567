"""The cells of a study that other programs run: waiting for them, and taking over what is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mlflow.entities import Run

from fashion_dropout import provenance
from fashion_dropout.config.cell import Cell
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.progress import StudyDisplay, duration
from fashion_dropout.texts import Count
from fashion_dropout.tracking.reading.queries import get_run
from fashion_dropout.tracking.recording.claims import owner, pulse, running_elsewhere
from fashion_dropout.tracking.recording.recovery import mark
from fashion_dropout.tracking.store import tags

SILENT_SECONDS = 300
"""A run that has recorded nothing for so long is taken for one of a dead process. It is more than
the time that one delivery may take, during which nothing else is delivered."""

_POLL_SECONDS = 5.0


@dataclass
class Others:
    """The cells of a study that programs elsewhere run, as the store knows them.

    Attributes:
        session: Of this call of ``compare``.
        display: Told who is waited for, and what is taken over.
        fresh: Whether what others finish is run here all the same.
        done: The names of the cells whose end was told.
    """

    experiment_id: str
    session: str
    display: StudyDisplay
    fresh: bool = False
    done: set[str] = field(default_factory=set)
    # Run → its pulse as it was seen last, and since when it is that one, by this clock.
    _heard: dict[str, tuple[frozenset[tuple[str, int, int]], float]] = field(default_factory=dict)
    _said: str = ""

    def wait(self, cells: Iterable[Cell]) -> set[str]:
        """Wait until one of the cells of others must be run here after all, or all have finished.

        A store that is away for a while is waited for, too: nobody can be heard through it.

        Returns:
            The names of those that others still run.

        Raises:
            TrackingError: The store has not answered for `SILENT_SECONDS`.
        """
        waiting = {cell.name: cell for cell in cells}
        known: dict[str, Run] = {}
        answered = time.monotonic()
        while waiting:
            time.sleep(_POLL_SECONDS)
            try:
                running = self._running(next(iter(waiting.values())).study)
                gone = waiting.keys() - running.keys()
                finished = {name for name in gone if name in known and _finished(known[name])}
                held = {name: run for name, run in running.items() if name in waiting}
                taken = self._take_over(held)
            except TrackingError:
                if time.monotonic() - answered > SILENT_SECONDS:
                    raise
                self._heard.clear()
                continue
            answered = time.monotonic()
            known |= running
            for name in finished:
                del waiting[name]
                if not self.fresh:  # else it is run here now
                    self.done.add(name)
                    self.display.ended(name, "")
            if gone - finished or taken:
                return set(held)
            self._say(held)
        return set()

    def refuse_other_code(self, study: str) -> None:
        """Refuse to run a study beside somebody with other training code: neither could use the
        cells of the other, and both would end with an error, hours later.

        Raises:
            UsageError: Somebody runs cells of it with other code.
        """
        code = provenance.training_code_sha256()
        for run in self._running(study).values():
            if (theirs := run.data.tags.get(tags.TRAINING_CODE, code)) != code:
                raise UsageError(
                    f"expected all who run {study} to have this training code, {code[:12]}, "
                    f"received {theirs[:12]} in run {run.info.run_id} of {owner(run)}; take one "
                    "version, or wait until that program has ended; if it has, type "
                    f"`fashion-dropout sync --ended {run.info.run_id}`"
                )

    def _running(self, study: str) -> dict[str, Run]:
        """Cell → the run of it that goes on elsewhere."""
        return running_elsewhere(self.experiment_id, study, self.session)

    def _take_over(self, held: dict[str, Run]) -> bool:
        """End the runs that have been silent for too long; whether there was one."""
        now, taken = time.monotonic(), False
        for name, run in list(held.items()):
            beat = pulse(run)
            before, since = self._heard.setdefault(run.info.run_id, (beat, now))
            if before != beat:
                self._heard[run.info.run_id] = (beat, now)
            elif now - since > SILENT_SECONDS and _is_silent(run, beat):
                why = f"{owner(run)} has been silent for {duration(now - since)}"
                mark(run, f"{why}: another program has taken the cell over")
                self.display.note(f"taking over {name}: {why}, run {run.info.run_id}")
                del held[name]
                taken = True
        return taken

    def _say(self, held: dict[str, Run]) -> None:
        """Say who is waited for, whenever that changes."""
        counted = Counter(map(owner, held.values()))
        of = ", ".join(
            f"{Count(number):cell|cells} that {who} runs" for who, number in sorted(counted.items())
        )
        if of and of != self._said:
            self.display.note(
                f"waiting for {of}; one that is silent for {duration(SILENT_SECONDS)} is taken over"
            )
        self._said = of


def _finished(run: Run) -> bool:
    """Whether a run that was seen as RUNNING has finished since."""
    try:
        return bool(get_run(run.info.run_id).info.status == "FINISHED")
    except UsageError:  # it was deleted for good
        return False


def _is_silent(run: Run, beat: frozenset[tuple[str, int, int]]) -> bool:
    """Whether a run has recorded nothing more to this moment, its end included: its owner may have
    come back since the runs were listed.
    """
    try:
        again = get_run(run.info.run_id)
    except UsageError:
        return False
    return bool(again.info.status == "RUNNING" and pulse(again) == beat)
