"""The runs that were begun and have not finished, as the state folder knows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import CheckpointError, UsageError
from fashion_dropout.learning import checkpoint
from fashion_dropout.runs.identity import Identity
from fashion_dropout.state import state_folder

RECORD = "run.json"


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that has been begun and not finished, with its id, name and experiment in MLflow.

    Attributes:
        study_tags: The tags that its study gave it; empty without one.
        process: The id of the process that trains or trained it, and the name of its machine.
        continued_after: The epochs after which it was continued.
    """

    run_id: str
    name: str
    experiment: str
    study_tags: Mapping[str, str]
    identity: Identity
    process: tuple[int, str]
    continued_after: tuple[int, ...] = ()

    @property
    def config(self) -> TrainingConfig:
        """Its parameters.

        Raises:
            CheckpointError: This version of the program has others.
        """
        try:
            return TrainingConfig(**self.identity.configuration)
        except ValidationError as error:
            raise CheckpointError(
                f"expected the parameters of run {self.run_id} to be those of this version, "
                f"received another {error.errors()[0]['loc'][0]}; use the version that began it"
            ) from error


def interrupted_runs(
    say: Callable[[str], None] = lambda line: None,
) -> list[tuple[UnfinishedRun, int]]:
    """The runs that were begun and not finished, and that no process trains; each with the number
    of epochs that have a checkpoint. `say` is told of each record that cannot be read.
    """
    found = []
    for path in _folders():
        with suppress(Timeout), FileLock(path.with_suffix(".lock"), timeout=0):
            try:
                if run := read_unfinished(path):
                    found.append((run, checkpoint.last_epoch(path)))
            except CheckpointError as error:
                say(str(error))
    return found


def interrupted_run(run_id: str) -> UnfinishedRun:
    """The run of that id that was begun and not finished.

    Raises:
        UsageError: There is none in the state folder.
        CheckpointError: There is none, or it is one that cannot be read.
    """
    unreadable: CheckpointError | None = None
    for path in _folders():
        try:
            if (run := read_unfinished(path)) and run.run_id == run_id:
                return run
        except CheckpointError as error:
            unreadable = error
    if unreadable:
        raise unreadable
    raise UsageError(
        f"expected the id of an interrupted run with a folder in {folder_of_runs()}, received "
        f"{run_id!r}"
    )


def _folders() -> list[Path]:
    return [record.parent for record in sorted(folder_of_runs().glob(f"*/{RECORD}"))]


def folder_of_runs() -> Path:
    """The folder with a folder for each run that has not finished."""
    return state_folder() / "runs"


def read_unfinished(path: Path) -> UnfinishedRun | None:
    """The run that was begun in a folder; None if there was none.

    Raises:
        CheckpointError: It cannot be read.
    """
    record = path / RECORD
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        values["identity"] = Identity(**values["identity"])
        values["continued_after"] = tuple(values["continued_after"])
        values["process"] = tuple(values["process"])
        return UnfinishedRun(**values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"expected the record of an interrupted run in {record}, received one that cannot be "
            f"read ({type(error).__name__}); remove the folder {path} to start over"
        ) from error
