"""The model card of an offered run, filled in from what MLflow holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run

from fashion_dropout.comparison import card
from fashion_dropout.comparison.card import ModelCard
from fashion_dropout.comparison.statistics import mean_interval
from fashion_dropout.comparison.texts import LANGUAGES, Language
from fashion_dropout.errors import TrackingError
from fashion_dropout.promotion.offer import OF_THE_STORED_MODEL, TESTED, Offer
from fashion_dropout.tracking import queries

CARD_FILES: dict[Language, str] = {"en": "MODEL_CARD.md", "ja": "MODEL_CARD.ja.md"}


def write_cards(offer: Offer, model: str, version: str, folder: Path) -> dict[Language, str]:
    """Write the card in each language.

    Args:
        offer: The run.
        model: The registered model.
        version: Of it.
        folder: Where to.

    Returns:
        Language → the card.

    Raises:
        TrackingError: The run does not say what the card needs.
    """
    filled = fill(offer, model, version)
    cards = {language: card.render(filled, language) for language in LANGUAGES}
    for language, text in cards.items():
        (folder / CARD_FILES[language]).write_text(text, encoding="utf-8")
    return cards


def fill(offer: Offer, model: str, version: str) -> ModelCard:
    """The card of a version; the arguments and errors are those of `write_cards`."""
    record, run, config, regime = offer.record, offer.run, offer.config, offer.choice.regime
    images = _images(run)
    return ModelCard(
        model=model,
        uri=f"models:/{model}/{version}",
        regime=regime,
        seed=config.seed,
        study=record.key,
        study_run_id=record.run_id,
        run_id=run.info.run_id,
        question=record.question,
        verdicts={language: offer.verdicts(language) for language in LANGUAGES},
        regime_choice={language: offer.choice.sentence(language) for language in LANGUAGES},
        runs=int((record.runs["regime"] == regime).sum()),
        dataset=config.dataset,
        dataset_sha256=run.data.tags["dataset.sha256"],
        split_sha256=run.data.tags["split.sha256"],
        generated=record.generated,
        training_images=images["training"],
        validation_images=images["validation"],
        test_images=images["test"],
        parameters=config.model_dump(exclude={"seed", "dataset"}),
        epoch=_epoch(offer),
        figures=_figures(offer),
        classes=_classes(run),
        environment=_environment(run),
    )


def _images(run: Run) -> dict[str, int]:
    """How many images each input of the run had, by what it was for."""
    found = {}
    for one in run.inputs.dataset_inputs:
        context = {tag.key: tag.value for tag in one.tags}["mlflow.data.context"]
        found[context] = int(json.loads(one.dataset.profile)["features_shape"][0])
    return found


def _epoch(offer: Offer) -> int:
    if offer.config.select == "best":
        return int(offer.run.data.metrics["best/epoch"])
    return offer.config.epochs


def _figures(offer: Offer) -> pd.DataFrame:
    rows = []
    for metric in (*OF_THE_STORED_MODEL[offer.config.select], *TESTED):
        mean, low, high = mean_interval(offer.record.runs, offer.choice.regime, metric)
        value = offer.run.data.metrics[metric]
        rows.append({"metric": metric, "value": value, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def _classes(run: Run) -> pd.DataFrame:
    with queries.artifact(run.info.artifact_uri, "per_class.csv") as path:
        if path is None:
            raise TrackingError(
                f"expected the artifact per_class.csv of run {run.info.run_id}, received none; run "
                "the study again with --fresh"
            )
        return pd.read_csv(path)


def _environment(run: Run) -> dict[str, Any]:
    names = [name for name in queries.PROVENANCE_TAGS if name != "dataset"]
    found = {name: run.data.tags.get(name, "") for name in names}
    return {**found, "threads": run.data.params["threads"]}
