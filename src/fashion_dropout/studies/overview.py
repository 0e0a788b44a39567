"""The studies of a store at a glance: what each asked, what it found, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import mlflow
from mlflow.entities import Run

from fashion_dropout.escapes import visible
from fashion_dropout.plain_table import plain_table
from fashion_dropout.progress import duration
from fashion_dropout.texts import texts
from fashion_dropout.tracking.reading.studies import all_studies, is_complete
from fashion_dropout.tracking.recording.recovery import is_dead
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.connect import connect_to_existing, store_name

State = Literal["finished", "incomplete", "running", "interrupted", "failed"]
_UNKNOWN = "–"


@dataclass(frozen=True)
class Overview:
    """A study as its own run describes it, nothing of its other runs.

    Attributes:
        question_ja: As declared in Japanese; empty if it is not.
        verdict: The kind of the verdict, of several regimes each; – without one.
        pairs: How many pairs were compared, and how many are declared: ``7/16``.
        begun: When, for a person.
        run_time: From the beginning to the end, a break included; – while it runs.
        state: ``incomplete``: it has ended, and cells have no finished run.
    """

    run_id: str
    key: str
    question: str
    question_ja: str
    verdict: str
    pairs: str
    begun: str
    run_time: str
    state: State


def overview(run: Run) -> Overview:
    """What a study's own run says."""
    found, begun, ended = run.data.tags, run.info.start_time, run.info.end_time
    seeds, splits = (run.data.params.get(name, "") for name in ("seeds", "split_seeds"))
    counted = len(seeds.split(",")) * len(splits.split(",")) if seeds else _UNKNOWN
    declared = run.data.params.get("declared_pairs", counted)  # younger than the first studies
    return Overview(
        run_id=run.info.run_id,
        key=found[tags.STUDY],
        question=found.get(tags.QUESTION, _UNKNOWN),
        question_ja=found.get(tags.QUESTION_JA, ""),
        verdict=found.get(tags.VERDICT_KIND, _UNKNOWN),
        pairs=f"{found.get(tags.PAIRS, _UNKNOWN)}/{declared}",
        begun=f"{datetime.fromtimestamp(begun / 1000, UTC):%Y-%m-%d %H:%M} UTC",
        run_time=duration((ended - begun) / 1000) if ended else _UNKNOWN,
        state=_state(run),
    )


def _state(run: Run) -> State:
    if run.info.status == "FINISHED":
        return "finished" if is_complete(run) else "incomplete"
    if run.info.status == "KILLED" or is_dead(run):
        return "interrupted"
    return "failed" if run.info.status == "FAILED" else "running"


def describe_studies() -> str:
    """The studies of the store that MLflow uses, the newest first, as a table for a terminal.

    Raises:
        UsageError: There is no store.
        TrackingError: It does not answer.
    """
    connect_to_existing()
    words = texts("en")["studies"]
    found = [overview(run) for run in all_studies()]
    if not found:
        return f"{words['none'].format(store=visible(store_name(mlflow.get_tracking_uri())))}\n"
    columns = ("study", "verdict", "pairs", "begun", "run_time", "state", "run", "question")
    rows = [
        (of.key, of.verdict, of.pairs, of.begun, of.run_time, words["states"][of.state],
         of.run_id, of.question)
        for of in found
    ]  # fmt: skip
    return plain_table([[words[column] for column in columns], *rows])
