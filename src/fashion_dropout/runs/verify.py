"""Repeat a recorded run: does this code on this machine give the same numbers?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fashion_dropout.config.training import recorded_config
from fashion_dropout.errors import UsageError
from fashion_dropout.learning import dataset as data
from fashion_dropout.progress import Display
from fashion_dropout.sameness import Change, changes
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.database import sqlite_uri

_CLOCK = ("speed/", "system/")
_WATCHED = (tags.GIT_COMMIT, tags.GIT_DIRTY, tags.CPU, *tags.CONDITIONS)
"""The tags that may explain a drift."""


DisplayOf = Callable[[int], AbstractContextManager[Display]]


@dataclass(frozen=True)
class Drift:
    """How far a metric of the repeated run lies from the recorded one, and since which step."""

    metric: str
    largest: float
    first_step: int


@dataclass(frozen=True)
class Verification:
    """The result of a repetition.

    Attributes:
        compared: How many metrics were compared.
        drifts: Those that are not bit-identical.
        weights: Whether the weights after the last epoch are bit-identical; None if the run has
            not recorded their digest.
        changes: What differs between then and now, e.g. versions and CPU.
    """

    run_id: str
    compared: int
    drifts: list[Drift]
    weights: bool | None
    changes: list[Change]

    @property
    def reproduced(self) -> bool:
        """Whether everything that was compared is bit-identical."""
        return not self.drifts and self.weights is not False

    @property
    def text(self) -> str:
        """All of it, for a person."""
        then_and_now = "".join(
            f"\ndiffers: {name}: recorded {then!r}, now {now!r}" for name, then, now in self.changes
        )
        if self.reproduced:
            weights = " and the weights" if self.weights else ""
            return (
                f"run {self.run_id} is reproduced: all {self.compared} metrics{weights} are "
                f"bit-identical{then_and_now}"
            )
        lines = [f"run {self.run_id} has drifted: {len(self.drifts)} of {self.compared} metrics"]
        if self.weights is False:
            lines.append("  the weights after the last epoch are others")
        lines += [
            f"  {drift.metric}: by up to {drift.largest:.3g}, from step {drift.first_step} on"
            for drift in self.drifts
        ]
        return "\n".join(lines) + (then_and_now or "\nnothing else that is recorded differs")


def verify_run(run_id: str, display: DisplayOf, *, data_dir: Path | None = None) -> Verification:
    """Repeat a run from its record in MLflow, in a store of its own that is deleted afterwards.

    `display` gives a `Display` for a run of so many epochs, as a context manager; the folder of the
    data is as for `learning.dataset.open_dataset`.

    Raises:
        UsageError: There is no such run, or it is not a finished training run; or the images of
            the user's own are others.
    """
    import mlflow

    from fashion_dropout.runs.request import RunRequest
    from fashion_dropout.runs.train import record_run
    from fashion_dropout.tracking.reading import queries
    from fashion_dropout.tracking.recording import opening
    from fashion_dropout.tracking.recording.launched import without_launched_run
    from fashion_dropout.tracking.store.connect import connect, connect_to_existing

    connect_to_existing()
    recorded = queries.get_run(run_id)
    role = recorded.data.tags.get(tags.ROLE, "none")
    if role != tags.RUN or recorded.info.status != "FINISHED":
        raise UsageError(
            f"expected a finished training run, received {run_id} with the role {role!r} and the "
            f"status {recorded.info.status}"
        )
    config = recorded_config(recorded.data.params)
    metrics = [name for name in recorded.data.metrics if not name.startswith(_CLOCK)]
    before = {name: queries.history(run_id, name) for name in metrics}
    images = recorded.data.tags[tags.DATASET_SHA256]
    dataset = data.open_dataset(config.dataset, data_dir, recorded=images)
    home = mlflow.get_tracking_uri()
    with tempfile.TemporaryDirectory() as folder, without_launched_run():
        mlflow.set_tracking_uri(sqlite_uri(Path(folder) / "mlflow.db"))
        try:
            connect()
            opening.make_experiment("verify", (Path(folder) / "artifacts").as_uri())
            with display(config.epochs) as shown:
                regime = recorded.data.tags[tags.REGIME]
                interrupted = Path(folder) / "interrupted"
                request = RunRequest(config, regime, experiment="verify", folder=interrupted)
                summary = record_run(request, dataset, shown)
            repeated = queries.get_run(summary.run_id)
            after = {name: queries.history(summary.run_id, name) for name in metrics}
        finally:
            mlflow.set_tracking_uri(home)
    weights = recorded.data.tags.get(tags.WEIGHTS_SHA256)
    return Verification(
        run_id,
        len(metrics),
        [drift for name in metrics if (drift := _drift(name, before[name], after[name]))],
        weights == repeated.data.tags.get(tags.WEIGHTS_SHA256) if weights else None,
        changes(recorded.data.tags, repeated.data.tags, _WATCHED),
    )


def _drift(metric: str, before: dict[int, float], after: dict[int, float]) -> Drift | None:
    steps = [step for step, value in before.items() if after.get(step) != value]
    if not steps:
        return None
    sizes = [abs(after.get(step, float("nan")) - before[step]) for step in steps]
    return Drift(metric, max(sizes), min(steps))
