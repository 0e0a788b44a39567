"""What can be written to an open run. All of it goes to the run's journal, and from there on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.numpy_dataset import NumpyDataset
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH
from numpy.typing import NDArray

from fashion_dropout.errors import ClaimedError, Interrupted, TrackingError, UndeliveredError
from fashion_dropout.escapes import shortened
from fashion_dropout.tracking.recording.claims import Claim, hold
from fashion_dropout.tracking.recording.outbox import Journal
from fashion_dropout.tracking.recording.sender import Sender
from fashion_dropout.tracking.store import tags as tag_names
from fashion_dropout.tracking.store.calls import REFUSED, asks_mlflow, one_line

_DIGEST_LENGTH = 36  # the longest that MLflow's dataset field takes
_TIMEOUT_SECONDS = 25
_DIRECT_SECONDS = 10


class TrackedRun:
    """The run that `run.tracked_run` has opened.

    Args:
        journal: Its journal, which this object closes.
        written: The metrics that it has already; see `opening.written_metrics`.

    Attributes:
        as_opened: The run as the store had it then.
        samples: How many samples of the machine it had.
    """

    def __init__(
        self,
        run: Run,
        journal: Journal,
        sender: Sender,
        written: dict[str, dict[int, tuple[float, int]]],
    ) -> None:
        self.run_id = str(run.info.run_id)
        self.experiment_id = str(run.info.experiment_id)
        self._journal, self._sender, self._written = journal, sender, written
        self._claim: Claim | None = None
        self.as_opened = run
        machine = tag_names.OF_THE_MACHINE
        steps = (of.step for of in run.data._metric_objs if of.key.startswith(machine))
        self.samples = 1 + max(steps, default=-1)

    def hold(self, claim: Claim | None) -> None:
        """Be the one run of a study's cell that goes on, and the only one that finishes.

        If another run has finished the cell before this one does, this one ends as KILLED, whenever
        that is delivered. A run of no cell has no claim, and nobody else wants it.

        Raises:
            ClaimedError: Another program runs the cell, or has just finished it.
        """
        if claim is not None:
            hold(claim, self.run_id)
        self._claim = claim

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        *,
        step: int,
        of_model: bool = False,
        dataset: NumpyDataset | None = None,
    ) -> None:
        """Write metrics, tied to the dataset and, if they are, to the model of the run.

        A metric that the run has at this step already stays as it is.
        """
        missing = {
            name: float(value)
            for name, value in metrics.items()
            if step not in self._written.get(name, ())
        }
        measured_on = (dataset.name, dataset.digest) if dataset else None
        if missing:
            time = self._write(
                "metrics", metrics=missing, step=step, of_model=of_model, dataset=measured_on
            )
            for name, value in missing.items():
                if not name.startswith(tag_names.OF_THE_MACHINE):
                    self._written.setdefault(name, {})[step] = (value, time)

    def log_dataset(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        *,
        name: str,
        source: str,
        sha256: str,
        context: str,
    ) -> NumpyDataset:
        """Record a dataset as an input of the run; its full SHA-256 is a tag of the input.

        Args:
            images: uint8 of shape (n, 28, 28, 1).
            labels: uint8 of shape (n,).
            name: The dataset's name.
            source: A URL, or in words where the data comes from.
            sha256: Hexadecimal digest of its content.
            context: ``training``, ``validation`` or ``test``.
        """
        dataset = mlflow.data.from_numpy(
            images,
            targets=labels,
            source=source if "://" in source else CodeDatasetSource({"description": source}),
            name=name,
            digest=sha256[:_DIGEST_LENGTH],
        )
        labelled = {"sha256": sha256, MLFLOW_DATASET_CONTEXT: context}
        self._write("input", dataset=dict(dataset._to_mlflow_entity()), tags=labelled)
        return dataset

    def artifacts(self) -> AbstractContextManager[Path]:
        """A folder whose files become artifacts at the root of the run when the block ends."""
        return self._files("artifacts")

    def model(
        self, *, step: int, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> AbstractContextManager[Path]:
        """A folder whose files become the run's model when the block ends; see `models.save`.

        The step is the epoch that the model is of: the run's metrics of that step become its own.
        Parameters and tags are shown with the model.
        """
        texts = {name: str(value) for name, value in params.items()}
        metrics = {name: at[step] for name, at in self._written.items() if step in at}
        return self._files("model", step=step, params=texts, tags=dict(tags), metrics=metrics)

    def log_text(self, text: str, name: str) -> None:
        """Write one text artifact at the root of the run."""
        with self.artifacts() as folder:
            (folder / name).write_text(text, encoding="utf-8")

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run; of what is longer than MLflow takes, the middle is left out."""
        texts = {name: shortened(str(of), MAX_TAG_VAL_LENGTH) for name, of in tags.items()}
        self._write("tags", tags=texts)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters of the run."""
        self._write("params", params={name: str(value) for name, value in params.items()})

    def settle(self) -> None:
        """Wait until all that was written is in the store, so that it can be read there.

        Raises:
            TrackingError: The store refused something, or does not answer.
        """
        settled = self._sender.settle(_TIMEOUT_SECONDS)
        self._check()
        if not settled:
            raise TrackingError("MLflow went away, and what is to be read cannot be delivered")

    def end(self, status: str, timeout: float = _TIMEOUT_SECONDS) -> None:
        """Say how the run has ended; nothing is written to it afterwards.

        Raises:
            UndeliveredError: The store does not answer.
            TrackingError: The store refused something, so that the run is FAILED.
        """
        of = {"claim": asdict(self._claim)} if self._claim else {}
        self._journal.write("end", status=status, **of)
        if not self._sender.settle(timeout):
            raise UndeliveredError(
                f"expected the store to take what run {self.run_id} has recorded, received: "
                f"{self._sender.trouble}; all of it is kept in {self._journal.folder}: type "
                "`fashion-dropout sync` when the store is back",
                self.run_id,
            )
        if status == "FINISHED":
            self._check()

    @asks_mlflow(seconds=_DIRECT_SECONDS)
    def end_directly(self, status: str, why: str) -> None:
        """Say how the run has ended without its journal."""
        client = mlflow.MlflowClient()
        client.set_tag(self.run_id, tag_names.ERROR, why)
        client.set_terminated(self.run_id, status)

    def note_error(self, why: str) -> None:
        """Say why the run has failed, also after the store has refused something else."""
        self._journal.write("tags", tags={tag_names.ERROR: why})

    def close(self) -> None:
        """Let go of the run; its journal stays if a part of it is undelivered."""
        self._sender.stop()
        self._journal.close(remove=not self._journal.undelivered)

    @contextmanager
    def _files(self, kind: str, **content: Any) -> Iterator[Path]:
        try:
            files = self._journal.new_files()
            yield self._journal.folder / files
        except OSError as error:
            place = self._journal.folder
            elsewhere = error.filename and not Path(str(error.filename)).is_relative_to(place)
            if elsewhere or isinstance(error, REFUSED):
                raise
            raise TrackingError(
                f"expected room for the files of the run in {place}, received: {one_line(error)}"
            ) from error
        self._write(kind, files=files, **content)

    def _write(self, kind: str, **content: Any) -> int:
        self._check()
        return self._journal.write(kind, **content)

    def _check(self) -> None:
        if refusal := self._journal.refusal:
            raise TrackingError(refusal)


def status_after(error: BaseException) -> str:
    """The status of a run that an error has ended: ``KILLED`` by a signal, or because another one
    is the run of its cell; else ``FAILED``.
    """
    stopped = isinstance(error, Interrupted | KeyboardInterrupt | ClaimedError)
    return "KILLED" if stopped else "FAILED"
