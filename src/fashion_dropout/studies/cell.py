"""One cell of a study, as a worker runs it."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from secrets import token_hex

from distributed import Reschedule, get_worker

from fashion_dropout import environment
from fashion_dropout.collector import collect_seldom
from fashion_dropout.config.cell import Cell
from fashion_dropout.errors import ClaimedError, TrackingError, UndeliveredError
from fashion_dropout.learning import dataset as data
from fashion_dropout.progress import CellProgress
from fashion_dropout.studies.fitness import Needs, fitness, usual_dir
from fashion_dropout.studies.patience import is_away, until_delivered, until_it_answers, was_taken
from fashion_dropout.tracking.store import tags

_REFUSED_SECONDS = 10  # how long a worker that is not fit keeps a cell
_ATTEMPTS = 5  # to begin a cell, or to find what was delivered of it, while a store comes and goes
_BETWEEN_SECONDS = 30  # times the number of the attempt: five minutes in all
_dataset = lru_cache(maxsize=1)(data.open_dataset)  # all cells of a study have the same


@dataclass(frozen=True)
class Session:
    """What every worker must know about one call of ``compare``.

    Attributes:
        name: The tag ``study.session`` of its runs.
        tracking_uri: The store, with its password.
        data_dir: As for `learning.dataset.open_dataset`.
        dataset_sha256: The digest of the dataset, which a worker's must have, too.
        colours: Regime → its colour in MLflow's charts, ``#rrggbb``.
        fresh: Whether its runs begin anew, whatever was interrupted.
        needs: What a worker must be like; None for the workers of this machine.
    """

    name: str
    tracking_uri: str = field(repr=False)
    experiment: str
    data_dir: Path | None
    dataset_sha256: str
    study_run_id: str
    colours: Mapping[str, str]
    fresh: bool
    needs: Needs | None = None

    def scope(self, study: str) -> str:
        """What the keys of a study's cells have in common in Dask.

        On a cluster that is already there it is the same in each call for the same study in the
        same experiment, so that a cell that runs there is not begun again; a fresh call has one of
        its own.
        """
        return f"{study}-{self.needs.digest}" if self.needs and not self.fresh else self.name

    def key(self, cell: Cell) -> str:
        """What Dask calls a cell."""
        return f"{self.scope(cell.study)}/{cell.name}"

    @staticmethod
    def new_name() -> str:
        """A name that no other call of ``compare`` has, in containers that begin together, too."""
        return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{token_hex(4)}"


@dataclass(frozen=True)
class CellResult:
    """How a cell ended: with a finished run, or with an error, or not at all.

    Attributes:
        run_id: Its finished run.
        error: Why there is none.
        held: Another program runs the cell; it says which one.
    """

    cell: Cell
    run_id: str = ""
    error: str = ""
    held: str = ""


def run_cell(cell: Cell, session: Session, topic: str) -> CellResult:
    """One cell in a worker; an error becomes a result, so that the other cells go on."""
    collect_seldom()
    environment.settle()
    import mlflow

    from fashion_dropout.tracking.recording.launched import forget_launched_run
    from fashion_dropout.tracking.store.calls import one_line

    reporter = _Reporter(cell, topic)
    if session.needs is not None:
        _refuse_unfit(session.needs, reporter)
    forget_launched_run()  # `mlflow run` made it for the study, not for a cell
    mlflow.set_tracking_uri(session.tracking_uri)
    try:
        return CellResult(cell, run_id=_recorded(cell, session, reporter))
    except ClaimedError as other:
        return CellResult(cell, held=one_line(other))
    except Exception as error:  # whatever it is, it is this cell's own
        return CellResult(cell, error=one_line(error))
    finally:
        if "keras" in sys.modules:
            sys.modules["keras"].backend.clear_session()
        gc.collect()


def _recorded(cell: Cell, session: Session, reporter: _Reporter) -> str:
    """The id of the finished run of a cell, which is trained if there is none yet.

    A store that is away is waited for. Once the run trains, its journal does that.
    """
    from fashion_dropout.runs.request import RunRequest
    from fashion_dropout.runs.train import record_run

    request = RunRequest(
        cell.config,
        cell.regime,
        study_tags={
            tags.STUDY: cell.study,
            tags.STUDY_RUN_ID: session.study_run_id,
            tags.SESSION: session.name,
            tags.COLOUR: session.colours[cell.regime],
            tags.CELL: cell.name,
        },
        experiment=session.experiment,
        fresh=session.fresh,
    )
    attempts = 0
    while True:
        until_it_answers(reporter.warn)
        folder = usual_dir(session.data_dir, cell.config.dataset)
        dataset = _dataset(cell.config.dataset, folder, recorded=session.dataset_sha256)
        try:
            run_id = record_run(request, dataset, reporter).run_id
        except UndeliveredError as error:
            until_delivered(error, reporter.warn)  # the next attempt finds that it has finished
            reporter.began = False
        except TrackingError as error:
            attempts += 1
            if reporter.began or attempts == _ATTEMPTS or not is_away(error):
                raise
            time.sleep(attempts * _BETWEEN_SECONDS)
        else:
            was_taken()
            return run_id


def _refuse_unfit(needs: Needs, reporter: _Reporter) -> None:
    """Give a cell back that this worker must not run: after a while, so that others get it."""
    worker = get_worker()
    if why := fitness(needs, worker.state.nthreads).objection:
        reporter.warn(f"worker {worker.address}: {why}; it gets no cell")
        time.sleep(_REFUSED_SECONDS)
        raise Reschedule


class _Reporter:
    """A `Display` in a worker: sends epochs and warnings to the process that runs the study."""

    def __init__(self, cell: Cell, topic: str) -> None:
        self.cell, self.topic, self.began = cell, topic, False

    def note(self, line: str) -> None:
        pass

    def warn(self, line: str) -> None:
        get_worker().log_event(self.topic, {"warning": f"warning: {line}"})

    def batches(self, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.began = True
        progress = CellProgress(self.cell.name, epoch, self.cell.config.epochs, dict(metrics))
        get_worker().log_event(self.topic, asdict(progress))
