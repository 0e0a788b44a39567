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
        dataset_sha256, split_sha256: Hexadecimal; the card shows the first 12 digits.
        images: ``training``, ``validation`` and ``test`` → the number of images of the run.
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
    images: Mapping[str, int]
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
    environment.filters |= {"plain": markdown, "code": _code, "short": _short}
    environment.filters |= {"number": _number, "interval": _interval, "recall": _recall}
    template = environment.get_template("model_card.md.j2")
    question = (language == "ja" and card.question_ja) or card.question
    verdicts = card.verdicts[language]
    text = ""
    for shown in range(max(1, len(verdicts)), 0, -1):
        text = template.render(
            card=card,
            t=words["card"],
            question=question,
            verdicts=verdicts[:shown],
            unshown=len(verdicts[shown:]),
            regime_choice=card.regime_choice[language],
            figures=card.figures.to_dict("records"),
            last_epoch=any(metrics.of(name).when == "epoch" for name in card.figures["metric"]),
            classes=card.classes.to_dict("records"),
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


def _recall(row: Mapping[str, Any]) -> str:
    """The recall of a class with its interval; nothing is known of one without an image."""
    images = int(row["support"])
    if not images:
        return _UNKNOWN
    hits = round(row["recall"] * images)
    return _interval(row["recall"], *wilson_interval(hits, images))


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


def _code(text: object) -> str:
    """Inline code; a backtick in it becomes an apostrophe, because it would end the code."""
    content = " ".join(str(text).split()).replace("`", "'")
    return f"`{content}`"
