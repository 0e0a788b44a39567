"""From a study's verdict to a version in the registry, and to the champion if the gate lets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_dropout.cell import EXPERIMENT_DESCRIPTION
from fashion_dropout.errors import TrackingError
from fashion_dropout.interrupts import shielded
from fashion_dropout.learning.dataset import FashionMnist
from fashion_dropout.promotion.cards import write_cards
from fashion_dropout.promotion.judgement import Judgement, judge
from fashion_dropout.promotion.offer import Offer, read_offer
from fashion_dropout.promotion_file import Policy
from fashion_dropout.tracking import registry
from fashion_dropout.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from fashion_dropout.tracking.runs import tracked_run
from fashion_dropout.tracking.store import connect

EXIT_HELD_BACK = 3


@dataclass(frozen=True)
class Outcome:
    """What became of an offer.

    Attributes:
        promoted: Whether its model is the champion now, or would be without ``dry_run``.
        text: What was done, for a person.
    """

    promoted: bool
    text: str


def promote_study(
    study: str,
    policy: Policy,
    say: Callable[[str], None],
    *,
    model_name: str = "",
    dry_run: bool = False,
    data_dir: Path | None = None,
) -> Outcome:
    """Offer the model of a study's verdict to the gate, and make it the champion if it passes.

    Args:
        study: The study's own run.
        policy: The gate.
        say: Told what happens.
        model_name: The registered model; "" for the project's, or, for generated images, one of
            its own.
        dry_run: Decide, and write nothing.
        data_dir: A folder with the four archives; None to look in the usual places.

    Raises:
        UsageError: There is no such study, or it is not finished.
        TrackingError: The store or the registry does not answer, or the model is missing or
            damaged; no alias has moved.
        DataError: The dataset cannot be had.
    """
    connect()
    offer = read_offer(study)
    if offer is None:
        return Outcome(
            False,
            "held back: the verdict names no regime, and the study declares to offer none then",
        )
    say(offer.text)
    models = Registry(model_name or _default_name(offer.config.dataset))
    champion = models.version(CHAMPION)
    if champion and champion.run_id == offer.run.info.run_id:
        if not dry_run and models.aliases().get(CHALLENGER) == str(champion.version):
            models.clear(CHALLENGER)  # the last step of a promotion that was killed before it
        return Outcome(True, f"version {champion.version} of {models.name} is the champion already")
    say("loading its model, repeating its validation predictions")
    judgement = judge(offer, champion, policy, data_dir)
    say(judgement.table)
    if dry_run:
        return Outcome(
            judgement.promoted,
            f"would be {judgement.decision} (nothing was written): {judgement.reason}",
        )
    return Outcome(judgement.promoted, _carry_out(offer, judgement, models))


def _default_name(dataset: str) -> str:
    return registry.MODEL if dataset == FashionMnist.name else f"{registry.MODEL}-{dataset}"


def _carry_out(offer: Offer, judgement: Judgement, models: Registry) -> str:
    """Write the decision down, then let the aliases move."""
    candidate = offer.candidate()
    with tracked_run(
        name=f"promote-{offer.run.info.run_name}",
        description=f"**{judgement.decision}**: {judgement.reason}",
        experiment_description=EXPERIMENT_DESCRIPTION,
        params=_flat(judgement.policy.model_dump()),
        tags={
            **candidate.tags,
            "role": "promotion",
            "action": "promote",
            "registered_model": models.name,
            "candidate": candidate.run_id,
            "decision": judgement.decision,
            "reason": judgement.reason,
        },
    ) as run:
        version = models.register(candidate)
        run.set_tags({"version": version})
        run.log_metrics(judgement.figures, step=0)
        with run.artifacts() as folder:
            cards = write_cards(offer, models.name, version, folder)
            registry.keep_with_model(candidate.model_id, str(folder))
            (folder / "decision.json").write_text(
                json.dumps({"version": version, **judgement.recorded()}, indent=2) + "\n",
                encoding="utf-8",
            )
        models.describe(
            version,
            f"**{judgement.decision}**: {judgement.reason}\n\n{cards['en']}",
            {**judgement.tags(), "decision.run": run.run_id},
        )
        models.point(CHALLENGER, version)
        if not judgement.promoted:
            return (
                f"held back: version {version} of {models.name} is the challenger; "
                f"{judgement.reason}"
            )
        with shielded():
            _move(models, judgement, version)
    before = judgement.champion
    left = f", version {before.version} is previous" if before else ""
    return f"promoted: version {version} of {models.name} is the champion{left}; {judgement.reason}"


def _move(models: Registry, judgement: Judgement, version: str) -> None:
    """Let the aliases move, in an order that leaves a loadable champion at every moment."""
    then = str(judgement.champion.version) if judgement.champion else None
    now = models.aliases().get(CHAMPION)
    if now != then:
        raise TrackingError(
            f"expected version {then or 'none'} to be the champion of {models.name} still, "
            f"received version {now}: another promotion was faster; run `promote` again"
        )
    if then:
        models.point(PREVIOUS, then)
    models.point(CHAMPION, version)
    models.clear(CHALLENGER)


def _flat(policy: dict[str, Any]) -> dict[str, Any]:
    """Nested tables as dotted names."""
    return {str(name): value for name, value in pd.json_normalize(policy).iloc[0].items()}
