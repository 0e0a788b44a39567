"""Fill the model card of a candidate from what MLflow holds, and write it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run

from fashion_dropout.comparison.summary import mean_interval
from fashion_dropout.config.values import plain
from fashion_dropout.errors import TrackingError
from fashion_dropout.files import LARGEST_TEXT, read_file
from fashion_dropout.promotion import model_card
from fashion_dropout.promotion.candidate import Candidate
from fashion_dropout.promotion.model_card import ModelCard
from fashion_dropout.runs.summary import stored_epoch
from fashion_dropout.texts import LANGUAGES, Language
from fashion_dropout.tracking.reading import queries
from fashion_dropout.tracking.store import tags

CARD_FILES: dict[Language, str] = {"en": "MODEL_CARD.md", "ja": "MODEL_CARD.ja.md"}


def write_cards(
    candidate: Candidate, model: str, version: str, folder: Path
) -> dict[Language, str]:
    """Write the model card of a version into a folder; returns language → the card as Markdown.

    Raises:
        TrackingError: The run lacks something that the card needs.
    """
    card = _card(candidate, model, version)
    cards = {language: model_card.render(card, language) for language in LANGUAGES}
    for language, text in cards.items():
        (folder / CARD_FILES[language]).write_text(text, encoding="utf-8")
    return cards


def _card(candidate: Candidate, model: str, version: str) -> ModelCard:
    record, run, config = candidate.record, candidate.run, candidate.config
    choice = candidate.choice
    return ModelCard(
        model=model,
        uri=f"models:/{model}/{version}",
        regime=choice.regime,
        seed=config.seed,
        study=record.key,
        study_run_id=record.run_id,
        run_id=run.info.run_id,
        question=record.question,
        question_ja=record.question_ja,
        verdicts={language: candidate.verdicts(language, advice=False) for language in LANGUAGES},
        regime_choice={language: choice.sentence(language) for language in LANGUAGES},
        runs=int((record.runs["regime"] == choice.regime).sum()),
        dataset=config.dataset,
        dataset_sha256=run.data.tags[tags.DATASET_SHA256],
        split_sha256=run.data.tags[tags.SPLIT_SHA256],
        images=queries.image_counts(run),
        parameters={name: value for name, value in config.essential().items() if name != "dataset"},
        epoch=stored_epoch(config, run.data.metrics),
        figures=_figures(candidate),
        classes=_classes(run),
        environment=_environment(run),
    )


def _figures(candidate: Candidate) -> pd.DataFrame:
    """A row for each metric: this model's value, and mean and interval over the regime's runs."""
    rows = []
    for metric in candidate.figures:
        mean, low, high = mean_interval(candidate.record.runs, candidate.choice.regime, metric)
        value = candidate.run.data.metrics[metric]
        rows.append({"metric": metric, "value": value, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def _classes(run: Run) -> pd.DataFrame:
    with queries.artifact(run.info.artifact_uri, "per_class.csv") as path:
        if path is None:
            raise TrackingError(
                f"expected the artifact per_class.csv of run {run.info.run_id}, received none; run "
                "the study again with --fresh"
            )
        content = BytesIO(read_file(path, LARGEST_TEXT))
        # A user's own class may be called 07 or None.
        return pd.read_csv(content, dtype={"class": str}, keep_default_na=False)


def _environment(run: Run) -> dict[str, Any]:
    names = [name for name in tags.PROVENANCE if name != tags.DATASET]
    found = {name: run.data.tags.get(name, "") for name in names}
    return {**found, "threads": plain(run.data.params["threads"])}
