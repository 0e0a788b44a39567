"""Make the previous champion of a registered model the champion again."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow.entities.model_registry import ModelVersion

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.escapes import markdown
from fashion_dropout.interrupts import shielded
from fashion_dropout.tracking.models import registry
from fashion_dropout.tracking.models.registry import CHAMPION, PREVIOUS, Registry, aliases_text
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.recording.recovery import tidy
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect_to_existing


def roll_back(model_name: str | None = None, reason: str | None = None) -> str:
    """Make the previous champion of a registered model, `registry.MODEL` if none is named, the
    champion again; the present one becomes previous. Returned is what was done, for a person.

    The previous model is loaded first, so that one that is missing or damaged does not become the
    champion.

    Raises:
        UsageError: There is no previous champion.
        TrackingError: The registry does not answer, the previous model is missing or damaged, or
            another process has moved an alias meanwhile. This one has moved none.
    """
    connect_to_existing()
    tidy(lambda line: None)
    models = Registry(model_name or registry.MODEL)
    champion, previous = models.version(CHAMPION), models.version(PREVIOUS)
    if champion is None or previous is None or champion.version == previous.version:
        raise UsageError(
            f"expected a champion and another version before it of {models.name}, received "
            f"{aliases_text(models.aliases())}; there is nothing to go back to"
        )
    _check_that_it_loads(previous)
    back, left = str(previous.version), str(champion.version)
    text = f"version {back} of {models.name} is the champion again, version {left} is previous"
    with models.exclusive():
        _expect_unchanged(models, {CHAMPION: left, PREVIOUS: back})
        with (
            tracked_run(
                name=f"rollback-to-version-{back}",
                description=f"**rolled back**: {markdown(text)}. {markdown(reason or '')}",
                params={},
                tags={
                    tags.ROLE: tags.PROMOTION,
                    tags.ACTION: "rollback",
                    tags.REGISTERED_MODEL: models.name,
                    tags.VERSION: back,
                    tags.STUDY: previous.tags[tags.STUDY],
                    tags.VERDICT: previous.tags.get(tags.VERDICT, ""),
                    tags.DECISION: "rolled back",
                    tags.REASON: reason or f"back from version {left}",
                },
            ),
            shielded(),
        ):
            models.set_alias(CHAMPION, back)
            models.set_alias(PREVIOUS, left)
    return f"rolled back: {text}"


def _check_that_it_loads(version: ModelVersion) -> None:
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(1)
    from fashion_dropout.tracking.models.save import load_logged

    load_logged(registry.model_of(queries.get_run(version.run_id)))


def _expect_unchanged(models: Registry, aliases: Mapping[str, str]) -> None:
    now = models.aliases()
    if aliases.items() <= now.items():
        return
    raise TrackingError(
        f"expected {aliases_text(aliases)} of {models.name} still, received {aliases_text(now)}: "
        "a promotion or another rollback was faster; look at `history`, and run `rollback` again"
    )
