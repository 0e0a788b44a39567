"""Whether a training run that says FINISHED has all that a finished one has."""

from __future__ import annotations

from mlflow.entities import Run

from fashion_dropout.config.values import plain
from fashion_dropout.tracking.store import tags


def last_epoch(run: Run) -> str:
    """The epoch that a run ends with: the last one asked for, or that after which it stopped."""
    return plain(run.data.tags.get(tags.STOPPED) or run.data.params.get("epochs", ""))


def missing_parts(run: Run) -> list[str]:
    """What a training run has not recorded of what each finished one has, in words."""
    last = last_epoch(run)
    steps = {metric.key: metric.step for metric in run.data._metric_objs}
    parts = {
        f"epoch {last}": str(steps.get("val/loss")) == last,
        "test metrics": "test/accuracy" in steps,
        "a model": bool(run.outputs and run.outputs.model_outputs),
    }
    return [part for part, present in parts.items() if not present]
