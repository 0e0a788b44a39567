"""Whether a training run that says FINISHED has all that a finished one has."""

from __future__ import annotations

from mlflow.entities import Run

from fashion_dropout.config.values import plain


def missing_parts(run: Run) -> list[str]:
    """What a training run has not recorded of what each finished one has, in words."""
    epochs = plain(run.data.params.get("epochs", ""))
    steps = {metric.key: metric.step for metric in run.data._metric_objs}
    parts = {
        f"epoch {epochs}": str(steps.get("val/loss")) == epochs,
        "test metrics": "test/accuracy" in steps,
        "a model": bool(run.outputs and run.outputs.model_outputs),
    }
    return [part for part, there in parts.items() if not there]
