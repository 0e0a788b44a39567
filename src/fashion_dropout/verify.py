"""Running a recorded run again: are its numbers still what this code gives on this machine?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashion_dropout import provenance
from fashion_dropout.config import TrainingConfig
from fashion_dropout.display import display
from fashion_dropout.errors import UsageError
from fashion_dropout.learning import dataset as data

EXIT_DRIFTED = 5
_CLOCK = ("speed/", "system/")


@dataclass(frozen=True)
class Drift:
    """How far a metric of the repeated run lies from the recorded one, and since which step."""

    metric: str
    largest: float
    first_step: int


@dataclass(frozen=True)
class Verification:
    """What a repetition showed.

    Attributes:
        run_id: The run that was repeated.
        compared: How many metrics were compared.
        drifts: Those that are not bit-identical.
        changes: What differs between then and now, e.g. versions and CPU.
    """

    run_id: str
    compared: int
    drifts: list[Drift]
    changes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it, for a person."""
        then_and_now = "".join(f"\ndiffers: {change}" for change in self.changes)
        if not self.drifts:
            return (
                f"run {self.run_id} is reproduced: all {self.compared} metrics are bit-identical"
                + then_and_now
            )
        lines = [f"run {self.run_id} has drifted: {len(self.drifts)} of {self.compared} metrics"]
        lines += [
            f"  {drift.metric}: by up to {drift.largest:.3g}, from step {drift.first_step} on"
            for drift in self.drifts
        ]
        return "\n".join(lines) + (then_and_now or "\nnothing else that is recorded differs")


def verify_run(run_id: str, data_dir: Path | None = None) -> Verification:
    """Repeat a run from what MLflow recorded of it, in a store of its own that is thrown away.

    Args:
        run_id: A finished training run.
        data_dir: A folder with the four archives; None to look in the usual places.

    Raises:
        UsageError: There is no such run, or it is not a finished training run.
    """
    import mlflow

    from fashion_dropout.cell import record_run
    from fashion_dropout.tracking import queries
    from fashion_dropout.tracking.store import connect

    connect()
    recorded = queries.get_run(run_id)
    if recorded.data.tags.get("role") != "run" or recorded.info.status != "FINISHED":
        raise UsageError(
            f"expected a finished training run, received {run_id} with the role "
            f"{recorded.data.tags.get('role', 'none')!r} and the status {recorded.info.status}"
        )
    config = recorded_config(recorded.data.params)
    metrics = [name for name in recorded.data.metrics if not name.startswith(_CLOCK)]
    before = {name: queries.history(run_id, name) for name in metrics}
    dataset = data.open_dataset(config.dataset, data_dir)
    home = mlflow.get_tracking_uri()
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{Path(folder) / 'mlflow.db'}")
        try:
            connect()
            artifacts = f"file://{folder}/artifacts"
            mlflow.create_experiment("verify", artifact_location=artifacts)
            with display(config.epochs) as shown:
                regime = recorded.data.tags["regime"]
                summary = record_run(config, dataset, shown, regime=regime, experiment="verify")
            repeated = mlflow.get_run(summary.run_id)
            after = {name: queries.history(summary.run_id, name) for name in metrics}
        finally:
            mlflow.set_tracking_uri(home)
    return Verification(
        run_id,
        len(metrics),
        [drift for name in metrics if (drift := _drift(name, before[name], after[name]))],
        _changes(recorded.data.tags, repeated.data.tags),
    )


def recorded_config(params: dict[str, str]) -> TrainingConfig:
    """The configuration of a recorded run; parameters of other kinds are left aside."""
    known = {name: text for name, text in params.items() if name in TrainingConfig.model_fields}
    return TrainingConfig.model_validate(known)


def _drift(metric: str, before: dict[int, float], after: dict[int, float]) -> Drift | None:
    steps = [step for step, value in before.items() if after.get(step) != value]
    if not steps:
        return None
    sizes = [abs(after.get(step, float("nan")) - before[step]) for step in steps]
    return Drift(metric, max(sizes), min(steps))


def _changes(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    watched = [
        "git.commit",
        "git.dirty",
        "cpu",
        "dataset.sha256",
        "split.sha256",
        "weights.initial.sha256",
        "batches.first_epoch.sha256",
        *(f"version.{name}" for name in provenance.versions()),
    ]
    return [
        f"{name}: recorded {then.get(name)!r}, now {now.get(name)!r}"
        for name in watched
        if then.get(name) != now.get(name)
    ]
