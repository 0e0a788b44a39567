"""The cells of a study, look by look: which are missing, and running them until it is decided."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from fashion_dropout.config.cell import Cell
from fashion_dropout.config.study import Study
from fashion_dropout.errors import Interrupted, TrackingError, UsageError
from fashion_dropout.learning.kernels import foreseen
from fashion_dropout.progress import StudyDisplay
from fashion_dropout.studies import cluster
from fashion_dropout.studies.cell import CellResult, Session
from fashion_dropout.studies.cells import TAKEN_OVER_FILE, finished_cells
from fashion_dropout.studies.found import declared_cells, read_cells
from fashion_dropout.studies.others import Others
from fashion_dropout.studies.patience import until_it_answers
from fashion_dropout.studies.workers import Workers
from fashion_dropout.tracking.reading.queries import end_abandoned_runs
from fashion_dropout.tracking.recording.previous import place_of_next_run
from fashion_dropout.tracking.recording.recovery import tidy
from fashion_dropout.tracking.recording.tracked_run import TrackedRun
from fashion_dropout.tracking.store import tags


@dataclass
class MissingCells:
    """The cells of a study that are still to be run, as the store knows it at each look."""

    study: Study
    run: TrackedRun
    session: Session
    display: StudyDisplay
    ran: set[str] = field(default_factory=set)
    taken_over: dict[str, str] = field(default_factory=dict)

    def missing(self, pairs: int) -> list[Cell]:
        """The missing ones among the first so many pairs."""
        cells = self.study.cells()
        if not self.session.fresh:
            found = finished_cells(self.study, self.run.experiment_id, self.session.dataset_sha256)
            cells = found.missing(self.study)
            if found.taken_over != self.taken_over:
                self.taken_over = found.taken_over
                self.display.note(found.sentence)
                text = json.dumps(found.taken_over, indent=2)
                self.run.log_text(f"{text}\n", TAKEN_OVER_FILE)
        seen = self.study.seen_by(pairs)
        return [cell for cell in cells if cell.config.seed in seen and cell.name not in self.ran]


def still_wanted(study: Study, experiment_id: str, dataset_sha256: str) -> list[Cell]:
    """The cells of a study that are still to be run; of one that is decided, those that its
    deciding look lacks. Arguments and errors as of `cells.finished_cells`.
    """
    found = finished_cells(study, experiment_id, dataset_sha256)
    missing = found.missing(study)
    first = study.seen_by(study.looks[0])
    if not missing or any(cell.config.seed in first for cell in missing):
        return missing
    taken = declared_cells(study, experiment_id, found.taken_over.values()).looks
    if not taken.over:
        return missing
    return [cell for cell in missing if cell.config.seed in taken.seen[-1]]


def check_kernels(study: Study, experiment: str | None, dataset_sha256: str, fresh: bool) -> None:
    """Refuse kernels that this machine does not have, before each cell does. A study without a cell
    to run needs none; all its regimes have the same. The experiment is as for
    `previous.place_of_next_run`.

    Raises:
        UsageError: The CPU does not have them, or a variable of the user's rules them out.
    """
    config = study.config(study.decision.baseline, study.seeds[0])
    try:
        foreseen(config.kernels, config.device)
    except UsageError:
        place = place_of_next_run(experiment)
        if fresh or still_wanted(study, place.experiment_id, dataset_sha256):
            raise


def run_looks(
    study: Study, run: TrackedRun, crew: Workers, session: Session, display: StudyDisplay
) -> dict[str, str]:
    """Run the missing cells look by look, until the study is decided or all have been run; returned
    is why each cell failed that did.
    """
    cells = MissingCells(study, run, session, display)
    looks, experiment_id = study.looks, run.experiment_id
    results: list[CellResult] = []
    try:
        for number, pairs in enumerate(looks, start=1):
            if len(looks) > 1:
                display.note(f"look {number} of {len(looks)}: after {pairs} pairs of runs")
            results += _run_missing(cells, pairs, crew)
            if pairs == looks[-1]:
                break
            run.settle()
            taken = read_cells(run.run_id).looks
            if taken.over or len(taken.seen) < number:
                break
    except BaseException as stop:  # a store that is gone must not take its place: it is the reason
        if session.needs is not None:
            _leave(crew, study, session, stop)
            raise
        try:
            crew.close()
        finally:
            with suppress(TrackingError):
                end_abandoned_runs(tags.SESSION, session.name, experiment_id, ())
        raise
    # No worker has a cell any more: what is left RUNNING is abandoned. On a cluster that was there,
    # the cells may be of earlier calls.
    whose = (tags.STUDY_RUN_ID, run.run_id) if session.needs else (tags.SESSION, session.name)
    end_abandoned_runs(*whose, experiment_id, {result.run_id for result in results})
    return {result.cell.name: result.error for result in results if result.error}


def _run_missing(cells: MissingCells, pairs: int, crew: Workers) -> Iterator[CellResult]:
    """Run the cells that a look lacks; those that other programs run are waited for, and run here
    if they do not finish.
    """
    display, session = cells.display, cells.session
    held, announced = dict[str, str](), set[str]()
    others = Others(cells.run.experiment_id, session.name, display, session.fresh)
    missing, elsewhere = cells.missing(pairs), set[str]()
    if missing and not session.fresh:
        others.refuse_other_code(cells.study.key)
    display.begin(cells.study.key, len(missing), len(cells.study.cells()))
    while missing:
        if free := [cell for cell in missing if cell.name not in elsewhere]:
            for result in cluster.run_cells(crew.client(len(missing)), free, session, display):
                name = result.cell.name
                if not result.held:
                    cells.ran.add(name)
                    display.ended(name, result.error)
                    yield result
                elif held.get(name) == result.held and result.held not in announced:
                    announced.add(result.held)  # nobody was found to wait for
                    display.note(f"{name}: {result.held}")
                held[name] = result.held
            until_it_answers(display.note)
            tidy(display.note)  # what workers could not deliver
        left = [cell for cell in missing if cell.name not in cells.ran]
        elsewhere = others.wait(left)
        missing = cells.missing(pairs) if left else []
        for name in {cell.name for cell in left} - {cell.name for cell in missing} - others.done:
            others.done.add(name)
            display.ended(name, "")


def _leave(crew: Workers, study: Study, session: Session, stop: BaseException) -> None:
    """Let go of a cluster that was there before: its cells go on, unless Ctrl-C has come."""
    if not isinstance(stop, Interrupted):
        return
    if stop.signal is signal.SIGINT or session.fresh:
        with suppress(Exception):  # a scheduler that is gone runs nothing
            cluster.begin_no_more(crew.client(1), study.cells(), session)
        stop.add_note("no further cell begins on the cluster; those that run come to their end")
    else:
        stop.add_note("the cluster goes on with the cells")
