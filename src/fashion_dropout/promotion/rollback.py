"""What has happened to a registered model, and the way back to the champion before this one."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from mlflow.entities import Run

from fashion_dropout.cell import EXPERIMENT_DESCRIPTION
from fashion_dropout.errors import UsageError
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking import queries, registry
from fashion_dropout.tracking.registry import CHAMPION, PREVIOUS, Registry
from fashion_dropout.tracking.runs import tracked_run
from fashion_dropout.tracking.store import connect


def roll_back(model_name: str, reason: str) -> str:
    """Make the previous champion the champion again; the present one becomes previous.

    The previous model is loaded first: one that is missing or damaged does not become champion.

    Args:
        model_name: The registered model; "" for the project's.
        reason: Why, for the history.

    Returns:
        What was done, for a person.

    Raises:
        UsageError: There is no previous champion.
        TrackingError: The registry does not answer, or the previous model is missing or damaged; no
            alias has moved.
    """
    connect()
    models = Registry(model_name or registry.MODEL)
    champion, previous = models.version(CHAMPION), models.version(PREVIOUS)
    if champion is None or previous is None or champion.version == previous.version:
        raise UsageError(
            f"expected a champion and another version before it of {models.name}, received "
            f"{_named(models.aliases())}; there is nothing to go back to"
        )
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(1)
    from fashion_dropout.tracking.models import load_logged

    with tempfile.TemporaryDirectory() as folder:
        load_logged(registry.model_of(queries.get_run(previous.run_id)), Path(folder))
    back, left = str(previous.version), str(champion.version)
    text = f"version {back} of {models.name} is the champion again, version {left} is previous"
    with (
        tracked_run(
            name=f"rollback-to-version-{back}",
            description=f"**rolled back**: {text}. {reason}",
            experiment_description=EXPERIMENT_DESCRIPTION,
            params={},
            tags={
                "role": "promotion",
                "action": "rollback",
                "registered_model": models.name,
                "version": back,
                "study": previous.tags["study"],
                "verdict": previous.tags.get("verdict", ""),
                "decision": "rolled back",
                "reason": reason or f"back from version {left}",
            },
        ),
        shielded(),
    ):
        models.point(CHAMPION, back)
        models.point(PREVIOUS, left)
    return f"rolled back: {text}"


def history(model_name: str) -> str:
    """Every decision about a registered model, the newest first, for a person.

    Args:
        model_name: The registered model; "" for the project's.

    Raises:
        UsageError: There is none.
    """
    connect()
    models = Registry(model_name or registry.MODEL)
    found = registry.promotions(models.name)
    if not found:
        raise UsageError(
            f"expected a promotion of {models.name}, received none; `fashion-dropout promote "
            "<study run id>` makes the first"
        )
    return "\n".join([f"{models.name}: {_named(models.aliases())}", *map(_entry, found)])


def _entry(run: Run) -> str:
    tags = run.data.tags
    when = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    what = tags["decision"] if run.info.status == "FINISHED" else f"{run.info.status.lower()}"
    return (
        f"\n{when:%Y-%m-%d %H:%M} UTC  {what}: version {tags.get('version', '–')}, by "
        f"{tags.get('mlflow.user', 'unknown')} (run {run.info.run_id})\n"
        f"  study {tags.get('study', '–')}: {tags.get('verdict', '–')}\n"
        f"  why: {tags.get('error') or tags.get('reason', '–')}"
    )


def _named(aliases: dict[str, str]) -> str:
    if not aliases:
        return "no alias"
    return ", ".join(f"{alias} = version {number}" for alias, number in sorted(aliases.items()))
