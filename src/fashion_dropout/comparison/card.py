"""The model card of a promoted model: Markdown, short enough for MLflow's model registry."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd
from scipy import stats

from fashion_dropout.comparison.statistics import CONFIDENCE
from fashion_dropout.comparison.texts import Language, texts

LONGEST = 4_500
"""Characters of a card. MLflow's registry stores 5,000 of a description."""

_LONGEST_QUESTION = 150
_DIGITS = 12
_OF_THE_LAST_EPOCH = ("val/", "gap/")
_MISSING = "–"


@dataclass(frozen=True)
class ModelCard:
    """Everything that a model card says.

    Attributes:
        model: The name under which the model is registered.
        uri: Where MLflow loads this very version from: ``models:/<name>/<version>`` or
            ``runs:/<run id>/model``; an alias will come to mean another.
        regime: The regime that the model was trained under.
        seed: Of its run.
        study: The study's name and hash.
        study_run_id: Of the study's own run.
        run_id: Of the run that trained the model.
        question: What the study asked.
        verdicts: Language → the sentences that the study came to, this model's regime first. Those
            that would make the card longer than `LONGEST` are counted instead.
        regime_choice: Language → the regime and why it was chosen, in the words of
            `candidate.Choice.sentence`.
        runs: How many runs the regime has, one a seed.
        dataset: Its name.
        dataset_sha256: Hexadecimal; the card shows the first 12 digits.
        split_sha256: As above.
        generated: Whether its images are generated ones, which say nothing about the real ones.
        training_images: How many.
        validation_images: How many.
        test_images: How many.
        parameters: What the run was told: name → value.
        epoch: The one whose model is stored, from 1.
        figures: A row for each metric with the columns metric, value (this model's), mean, low and
            high (over the regime's runs; NaN where there are too few of them).
        classes: This model on the test set, as `learning.metrics.per_class` gives it: a row for
            each class with the columns label, class, precision, recall, f1, support.
        environment: What the run ran on: name → value, names as in `StudyRecord.environment`.
    """

    model: str
    uri: str
    regime: str
    seed: int
    study: str
    study_run_id: str
    run_id: str
    question: str
    verdicts: Mapping[Language, Sequence[str]]
    regime_choice: Mapping[Language, str]
    runs: int
    dataset: str
    dataset_sha256: str
    split_sha256: str
    generated: bool
    training_images: int
    validation_images: int
    test_images: int
    parameters: Mapping[str, Any]
    epoch: int
    figures: pd.DataFrame
    classes: pd.DataFrame
    environment: Mapping[str, Any]


def render(card: ModelCard, language: Language) -> str:
    """The card as Markdown; the same arguments give the same text.

    Args:
        card: What it says.
        language: ``en`` or ``ja``.
    """
    words = texts(language)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fashion_dropout.comparison", ""),
        autoescape=False,  # noqa: S701 - Markdown: the filters escape
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": _plain, "code": _code, "cell": _cell, "short": _short}
    template = environment.get_template("card.md.j2")
    verdicts = card.verdicts[language]
    text = ""
    for shown in range(max(1, len(verdicts)), 0, -1):
        text = template.render(
            card=card,
            t=words["card"],
            question=_cut(card.question, _LONGEST_QUESTION),
            verdicts=verdicts[:shown],
            unshown=len(verdicts[shown:]),
            regime_choice=card.regime_choice[language],
            figures=_figures(card.figures),
            last_epoch=card.figures["metric"].str.startswith(_OF_THE_LAST_EPOCH).any(),
            classes=_classes(card.classes),
            environment=_environment(card.environment, words),
        )
        if len(text) <= LONGEST:
            break
    return text


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927): (low, high); (NaN, NaN) without a trial.

    Args:
        hits: How often it happened, at most `trials`.
        trials: How often it could have.
    """
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
    said = {"True": words["card"]["yes"], "False": words["card"]["no"]}
    return {
        words["environment"].get(name, name.removeprefix("version.")): _short(
            said.get(str(value), str(value))
        )
        for name, value in values.items()
    }


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else _MISSING


def _interval(value: float, low: float, high: float) -> str:
    if not math.isfinite(low):
        return _number(value)
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _short(text: str) -> str:
    """A digest by its first digits; everything else as it is."""
    if not text:
        return _MISSING
    return text[:_DIGITS] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) else text


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _plain(text: object) -> str:
    """As text of one line, in which Markdown sees no markup."""
    escaped = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"[\\`*\[\]|~#]|(?<!\w)_|_(?!\w)", r"\\\g<0>", escaped)


def _code(text: object) -> str:
    """As code in a line of text; a backtick would end it."""
    content = " ".join(str(text).split()).replace("`", "'")
    return f"`{content}`"


def _cell(code: str) -> str:
    """Code that stands in a table, where a bar would end the cell even so."""
    return code.replace("|", r"\|")
