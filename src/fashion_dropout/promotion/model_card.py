"""The model card of a registered model: Markdown, short enough for MLflow's model registry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd
from scipy import stats

from fashion_dropout.comparison.statistics import CONFIDENCE
from fashion_dropout.config import metrics
from fashion_dropout.escapes import markdown
from fashion_dropout.texts import Language, texts
from fashion_dropout.tracking.store import tags

LONGEST = 4_500
"""The most characters of a card. MLflow's registry keeps 5,000 characters of a description."""

_LONGEST_QUESTION = 150
_DIGITS = 12
_UNKNOWN = "–"


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card.

    Attributes:
        uri: The URI that loads exactly this version: ``models:/<name>/<version>`` or
            ``runs:/<run id>/model``. It is not an alias, because an alias moves.
        study: The name and hash of the study.
        run_id: The id of the run that trained the model.
        question_ja: Empty if the study does not ask in Japanese.
        verdicts: Language → the verdicts of the study in words, the one about this regime first.
            Verdicts that would make the card longer than `LONGEST` are only counted.
        regime_choice: Language → the regime and why it was chosen, from
            `selection.Choice.sentence`.
        runs: The number of runs of the regime, one for each seed.
        dataset: The name of the dataset, as the parameter has it; it decides what is warned of.
        dataset_sha256: SHA-256 of the dataset, hexadecimal; the card shows the first 12 digits.
        split_sha256: SHA-256 of the split, likewise.
        epoch: The epoch whose model is stored, counted from 1.
        figures: A row for each metric with the columns metric, value (of this model), mean, low
            and high (over the runs of the regime; NaN if there are too few of them).
        classes: The results of this model on the test set, as `learning.metrics.per_class` returns
            them: a row for each class with the columns label, class, precision, recall, f1,
            support.
        environment: Name → value of what the run ran on; the names are those of
            `StudyRecord.environment`.
    """

    model: str
    uri: str
    regime: str
    seed: int
    study: str
    study_run_id: str
    run_id: str
    question: str
    question_ja: str
    verdicts: Mapping[Language, Sequence[str]]
    regime_choice: Mapping[Language, str]
    runs: int
    dataset: str
    dataset_sha256: str
    split_sha256: str
    training_images: int
    validation_images: int
    test_images: int
    parameters: Mapping[str, Any]
    epoch: int
    figures: pd.DataFrame
    classes: pd.DataFrame
    environment: Mapping[str, Any]


def render(card: ModelCard, language: Language) -> str:
    """The card as Markdown; the same arguments give the same text."""
    words = texts(language)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fashion_dropout.promotion", ""),
        autoescape=False,  # noqa: S701 - Markdown: the filters escape
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": markdown, "code": _code, "cell": _cell, "short": _short}
    template = environment.get_template("model_card.md.j2")
    question = (language == "ja" and card.question_ja) or card.question
    verdicts = card.verdicts[language]
    text = ""
    for shown in range(max(1, len(verdicts)), 0, -1):
        text = template.render(
            card=card,
            t=words["card"],
            question=_cut(question, _LONGEST_QUESTION),
            verdicts=verdicts[:shown],
            unshown=len(verdicts[shown:]),
            regime_choice=card.regime_choice[language],
            figures=_figures(card.figures),
            last_epoch=any(metrics.of(name).when == "epoch" for name in card.figures["metric"]),
            classes=_classes(card.classes),
            environment=_environment(card.environment, words),
        )
        if len(text) <= LONGEST:
            break
    return text


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927): (low, high); (NaN, NaN) without a trial."""
    if trials == 0:
        return math.nan, math.nan
    found = stats.binomtest(hits, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def _figures(table: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "metric": str(row["metric"]),
            "value": _number(row["value"]),
            "interval": _interval(row["mean"], row["low"], row["high"]),
        }
        for row in table.to_dict("records")
    ]


def _classes(table: pd.DataFrame) -> list[dict[str, str]]:
    rows = []
    for row in table.to_dict("records"):
        images = int(row["support"])
        recall = float(row["recall"]) if images else math.nan
        hits = round(recall * images) if images else 0
        rows.append(
            {
                "name": f"{row['label']} {row['class']}",
                "precision": _number(row["precision"]),
                "recall": _interval(recall, *wilson_interval(hits, images)),
                "f1": _number(row["f1"]),
                "images": f"{images:,}",
            }
        )
    return rows


def _environment(values: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, str]:
    yes_or_no = {"True": words["card"]["yes"], "False": words["card"]["no"]}
    return {
        words["environment"].get(name, name.removeprefix(tags.version_of(""))): _short(
            yes_or_no.get(str(value), str(value))
        )
        for name, value in values.items()
    }


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else _UNKNOWN


def _interval(value: float, low: float, high: float) -> str:
    if not math.isfinite(low):
        return _number(value)
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _short(text: str) -> str:
    """The first digits of a digest; any other text unchanged."""
    if not text:
        return _UNKNOWN
    return text[:_DIGITS] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else text


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _code(text: object) -> str:
    """Inline code; a backtick in it becomes an apostrophe, because it would end the code."""
    content = " ".join(str(text).split()).replace("`", "'")
    return f"`{content}`"


def _cell(code: str) -> str:
    """Inline code for the cell of a table, which a bar would end even inside code."""
    return code.replace("|", r"\|")
