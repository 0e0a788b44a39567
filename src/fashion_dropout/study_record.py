"""A study read back from MLflow, and from nothing else: what figures and report are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from mlflow.entities import Run

from fashion_dropout.comparison.decision import Rule
from fashion_dropout.comparison.record import StudyRecord, foremost
from fashion_dropout.errors import TrackingError
from fashion_dropout.learning import dataset as data
from fashion_dropout.study_file import METRICS, Decision, Promotion
from fashion_dropout.study_results import read_results
from fashion_dropout.tracking import queries

_CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")


def read_record(run_id: str, test: data.Examples | None = None) -> StudyRecord:
    """Everything that MLflow holds about a study.

    Args:
        run_id: The study's own run.
        test: The test set, to look for the images on which the regimes disagree most; None to
            take those that the study's run has stored.

    Raises:
        UsageError: There is no such run, or it is not the run of a study.
        TrackingError: The run does not say what was declared.
    """
    run = queries.study_run(run_id)
    tags, params = run.data.tags, run.data.params
    declared = _declared(run)
    decision = Decision.model_validate(declared["decision"])
    order = [decision.baseline, *params["regimes"].split(",")]
    configs = {regime: declared["regimes"][regime] for regime in dict.fromkeys(order)}
    differing, common = _differing(configs)
    found = queries.study_runs(
        tags["study"],
        run.info.experiment_id,
        session=tags["study.session"] if tags.get("study.fresh") == "True" else "",
        until=run.info.end_time,
    )
    runs = found[found["state"] == "FINISHED"].reset_index(drop=True)
    histories = _histories(runs)
    dataset: str = next(iter(configs.values()))["dataset"]
    rule = rule_of(decision)
    results, absent = read_results(
        run.info.artifact_uri,
        runs,
        rule.baseline,
        foremost(runs, list(configs)[1:], rule),
        _classes(dataset),
        test,
    )
    if len(runs) and histories.empty:
        absent.append("learning curves: no metrics of epochs are recorded")
    return StudyRecord(
        run_id=run_id,
        key=tags["study"],
        question=tags.get("question", tags["study"]),
        begun=f"{datetime.fromtimestamp(run.info.start_time / 1000, UTC):%Y-%m-%d %H:%M} UTC",
        generated=dataset != data.FashionMnist.name,
        rule=rule,
        secondary={metric: METRICS[metric] for metric in decision.secondary},
        regimes=differing,
        common=common,
        seeds=tuple(declared["seeds"]),
        cells=_cells(list(configs), declared["seeds"], found),
        runs=runs,
        histories=histories,
        results=results,
        environment={
            name: sorted({str(value) for value in runs[name]} - {""})
            for name in (
                *("dataset", "dataset.sha256", "split.sha256", "git.commit", "git.dirty"),
                *("cpu", "threads"),
                *(name for name in queries.PROVENANCE_TAGS if name.startswith("version.")),
            )
        },
        absent=tuple(absent),
        undecided=Promotion.model_validate(declared.get("promotion", {})).undecided,
    )


def rule_of(decision: Decision) -> Rule:
    """A declared decision as the comparison knows it."""
    return Rule(
        decision.primary,
        decision.direction,
        decision.smallest_difference,
        decision.alpha,
        decision.baseline,
    )


def _declared(run: Run) -> dict[str, Any]:
    with queries.artifact(run.info.artifact_uri, "study.json") as path:
        if path is None:
            raise TrackingError(
                f"expected the artifact study.json of the study's run {run.info.run_id}, received "
                "none: it cannot be known what was declared; run `compare` again"
            )
        declared: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return declared


def _differing(
    configs: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The parameters in which the regimes differ, by regime, and those that all share."""
    first = next(iter(configs.values()))
    shared = {
        name: value
        for name, value in first.items()
        if all(config[name] == value for config in configs.values())
    }
    differing = {
        regime: {name: value for name, value in config.items() if name not in shared}
        for regime, config in configs.items()
    }
    return differing, shared


def _cells(regimes: Sequence[str], seeds: Sequence[int], found: pd.DataFrame) -> pd.DataFrame:
    """A row for each declared cell, whether or not it has a run."""
    columns = ["regime", "seed"]
    declared = pd.DataFrame([(r, s) for s in seeds for r in regimes], columns=columns)
    known = found[[*columns, "run_id", "state", "reason"]]
    return declared.merge(known.astype({"seed": int}), on=columns, how="left").fillna("")


def _histories(runs: pd.DataFrame) -> pd.DataFrame:
    tables = []
    for run in runs.to_dict("records"):
        table = _history(run["run_id"], run["artifact_uri"])
        tables.append(table.assign(regime=run["regime"], seed=run["seed"]))
    columns = ["regime", "seed", "epoch", *_CURVES]
    return pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)


def _history(run_id: str, artifact_uri: str) -> pd.DataFrame:
    """The learning curves of a run: its table of them, else, slower, metric by metric."""
    with queries.artifact(artifact_uri, "history.csv") as path:
        if path is not None:
            return pd.read_csv(path, usecols=["epoch", *_CURVES])
    curves = {metric: queries.history(run_id, metric) for metric in _CURVES}
    return pd.DataFrame(curves).rename_axis("epoch").reset_index()


def _classes(dataset: str) -> tuple[str, ...]:
    known = data.FashionMnist if dataset == data.FashionMnist.name else data.Synthetic
    return known.classes
