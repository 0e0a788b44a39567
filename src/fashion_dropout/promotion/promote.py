"""Promote the candidate of a study: register its model, and make it the champion if it passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fashion_dropout.config.promotion import Policy
from fashion_dropout.errors import TrackingError
from fashion_dropout.interrupts import shielded
from fashion_dropout.promotion.candidate import Candidate, read_candidate
from fashion_dropout.promotion.decision import GateDecision, decide
from fashion_dropout.promotion.fill_card import CARD_FILES, write_cards
from fashion_dropout.studies.report import REPORT_FILE
from fashion_dropout.tracking.models import registry
from fashion_dropout.tracking.models.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from fashion_dropout.tracking.recording.launched import usable_launched_run
from fashion_dropout.tracking.recording.recovery import tidy
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.recording.tracked_run import TrackedRun
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect_to_existing
from fashion_dropout.tracking.store.urls import how_to_look_at, run_page, version_page


@dataclass(frozen=True)
class Outcome:
    """The result of a promotion.

    Attributes:
        promoted: Whether the candidate is the champion now, or would be without ``dry_run``.
        text: What was done, for a person.
    """

    promoted: bool
    text: str


def promote_study(
    study: str,
    policy: Policy,
    say: Callable[[str], None],
    *,
    model_name: str | None = None,
    dry_run: bool = False,
    data_dir: Path | None = None,
) -> Outcome:
    """Check the candidate of a study, and make its model the champion if it passes the gate.

    Args:
        study: The id of the study's own run.
        policy: The policy of the gate.
        say: Called with each line or table that is to be shown.
        model_name: The registered model; None for the dataset's own, `registry.MODEL_OF`.
        dry_run: Decide, and write nothing.
        data_dir: As for `learning.dataset.open_dataset`.

    Raises:
        UsageError: There is no such study, or it is not finished.
        TrackingError: The store or the registry does not answer, or the model is missing or
            damaged. No alias has moved.
        DataError: The dataset is missing or damaged.
    """
    connect_to_existing()
    if not dry_run:
        usable_launched_run({tags.ROLE: tags.PROMOTION})  # refuses one that is left over
        tidy(say)
    candidate = read_candidate(study)
    if candidate is None:
        return Outcome(
            False,
            "held back: the verdict names no regime, and the study declares to offer none then",
        )
    say(candidate.text)
    models = Registry(model_name or registry.MODEL_OF[candidate.config.dataset])
    champion = models.version(CHAMPION)
    if champion and champion.run_id == candidate.run.info.run_id:
        if not dry_run and models.aliases().get(CHALLENGER) == str(champion.version):
            models.delete_alias(CHALLENGER)  # a promotion was killed before this last step
        return Outcome(True, f"version {champion.version} of {models.name} is the champion already")
    say("loading its model, repeating its validation predictions")
    decision = decide(candidate, champion, policy, data_dir)
    say(decision.table)
    if dry_run:
        return Outcome(
            decision.promoted,
            f"would be {decision.result} (nothing was written): {decision.reason}",
        )
    with models.exclusive():
        now = models.version(CHAMPION)
        if now and now.run_id == candidate.run.info.run_id:
            text = f"version {now.version} of {models.name} has become the champion meanwhile"
            return Outcome(True, text)
        text, version = carry_out(candidate, decision, models)
    page = {f"version {version}": f"/{version_page(models.name, version)}"}
    return Outcome(decision.promoted, f"{text}\n{how_to_look_at(page)}")


def carry_out(candidate: Candidate, decision: GateDecision, models: Registry) -> tuple[str, str]:
    """Record a decision in a run of its own, register the model, and then move the aliases.

    Returns:
        What was done, for a person; and the number of the version.

    Raises:
        TrackingError: The store or the registry refused something, or there is another champion
            than the one that the candidate was compared with.
    """
    trained = candidate.run.info
    policy = pd.json_normalize(decision.policy.model_dump()).iloc[0]  # nested names with dots
    with tracked_run(
        name=f"promote-{trained.run_name}",
        description=decision.headline,
        params={str(name): value for name, value in policy.items()},
        tags={
            **candidate.version_tags,
            tags.ROLE: tags.PROMOTION,
            tags.ACTION: "promote",
            tags.REGISTERED_MODEL: models.name,
            tags.CANDIDATE: trained.run_id,
            tags.DECISION: decision.result,
            tags.REASON: decision.reason,
        },
    ) as run:
        version = models.register(trained.run_id, candidate.model_id, candidate.version_tags)
        run.set_tags({tags.VERSION: version})
        run.log_metrics(decision.figures, step=0)
        with run.artifacts() as folder:
            cards = write_cards(candidate, models.name, version, folder)
            registry.keep_with_model(candidate.model_id, str(folder))
            (folder / "decision.json").write_text(
                json.dumps({"version": version, **decision.recorded()}, indent=2) + "\n",
                encoding="utf-8",
            )
        models.describe(
            version,
            f"{decision.headline}\n\n{_links(candidate, run)}\n\n{cards['en']}",
            {**decision.version_tags(), tags.DECISION_RUN: run.run_id},
        )
        _expect_same_champion(models, decision)
        models.set_alias(CHALLENGER, version)
        if not decision.promoted:
            return (
                f"held back: version {version} of {models.name} is the challenger; "
                f"{decision.reason}",
                version,
            )
        with shielded():  # in an order that leaves a champion that loads at every moment
            then = _expect_same_champion(models, decision)
            if then:
                models.set_alias(PREVIOUS, then)
            models.set_alias(CHAMPION, version)
            models.delete_alias(CHALLENGER)
    left = f", version {then} is previous" if then else ""
    done = f"promoted: version {version} of {models.name} is the champion{left}; {decision.reason}"
    return done, version


def _links(candidate: Candidate, decision: TrackedRun) -> str:
    """From the page of a version to where it comes from, Markdown."""
    experiment, study = candidate.run.info.experiment_id, candidate.record.run_id
    linked = {
        "Run": run_page(experiment, candidate.run.info.run_id),
        "study": run_page(experiment, study),
        "report with the verdict": run_page(experiment, study, REPORT_FILE),
        "model card": run_page(decision.experiment_id, decision.run_id, CARD_FILES["en"]),
        "decision": run_page(decision.experiment_id, decision.run_id, "decision.json"),
    }
    return " · ".join(f"[{name}]({page})" for name, page in linked.items())


def _expect_same_champion(models: Registry, decision: GateDecision) -> str | None:
    """The champion that the candidate was compared with, which must be the champion still."""
    then = str(decision.champion.version) if decision.champion else None
    now = models.aliases().get(CHAMPION)
    if now != then:
        raise TrackingError(
            f"expected version {then or 'none'} to be the champion of {models.name} still, "
            f"received version {now}: another promotion was faster; run `promote` again"
        )
    return then
