"""The history of a registered model: every promotion and rollback, read from their runs."""

from __future__ import annotations

from datetime import UTC, datetime

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_USER

from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import visible
from fashion_dropout.tracking.models import registry
from fashion_dropout.tracking.models.registry import CHAMPION, PREVIOUS, Registry
from fashion_dropout.tracking.recording.recovery import WHY, is_dead
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect_to_existing

_UNKNOWN = "–"


def describe_history(model_name: str | None = None) -> str:
    """Every decision about a registered model, `registry.MODEL` if none is named, the newest first,
    for a person.

    Raises:
        UsageError: There is no decision about it.
        TrackingError: The registry does not answer.
    """
    connect_to_existing()
    models = Registry(model_name or registry.MODEL)
    runs = registry.decisions(models.name)
    if not runs:
        raise UsageError(
            f"expected a promotion of {models.name}, received none; `fashion-dropout promote "
            "<study run id>` makes the first"
        )
    in_effect = {
        version.tags.get(tags.DECISION_RUN)
        for version in map(models.version, (CHAMPION, PREVIOUS))
        if version
    }
    entries = [_entry(run, in_effect=run.info.run_id in in_effect) for run in runs]
    return "\n".join([f"{models.name}: {registry.aliases_text(models.aliases())}", *entries])


def _entry(run: Run, *, in_effect: bool) -> str:
    found = {name: visible(text) for name, text in run.data.tags.items()}
    when = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    # The launcher of `mlflow run` writes FAILED over the run of a candidate that is held back.
    decided = run.info.status in ("FINISHED", "FAILED") and tags.ERROR not in found
    status, reason = run.info.status, found.get(tags.ERROR) or found.get(tags.REASON, _UNKNOWN)
    if is_dead(run):
        status, reason = "KILLED", found.get(tags.ERROR, WHY)
    elif status == "RUNNING":
        reason = "it has not ended yet"
    what = found[tags.DECISION] if decided else status.lower()
    if not decided and in_effect and found.get(tags.DECISION) == "promoted":
        what = f"{what}, when the aliases had moved"
    return (
        f"\n{when:%Y-%m-%d %H:%M} UTC  {what}: version {found.get(tags.VERSION, _UNKNOWN)}, by "
        f"{found.get(MLFLOW_USER, 'unknown')} (run {run.info.run_id})\n"
        f"  study {found.get(tags.STUDY, _UNKNOWN)}: {found.get(tags.VERDICT, _UNKNOWN)}\n"
        f"  why: {reason}"
    )
