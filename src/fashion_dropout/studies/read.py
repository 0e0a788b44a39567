"""A study read back from MLflow, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Run

from fashion_dropout import provenance
from fashion_dropout.comparison.pairing import mixed_pairs
from fashion_dropout.comparison.record import Changed, StudyRecord, foremost
from fashion_dropout.comparison.stopping import Looks, looks_taken
from fashion_dropout.config.decision import Decision, Promotion
from fashion_dropout.errors import TrackingError
from fashion_dropout.escapes import brief
from fashion_dropout.files import read_file
from fashion_dropout.learning import dataset as data
from fashion_dropout.studies.cells import TAKEN_OVER_FILE
from fashion_dropout.studies.curves import read_curves
from fashion_dropout.studies.test_set import read_results
from fashion_dropout.tracking import queries, studies, tags
from fashion_dropout.tracking.places import gone

_LARGEST_DECLARATION = 2**26  # bytes: a thousand regimes have 400 kB
_ENDED = ("FINISHED", "FAILED")  # not KILLED, which goes on
_SHOWN = (
    *(tags.DATASET, tags.DATASET_SHA256, tags.SPLIT_SHA256, tags.GIT_COMMIT, tags.GIT_DIRTY),
    *(tags.CPU, *tags.KERNELS, "threads", *map(tags.version_of, provenance.PACKAGES)),
)


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
    run = studies.study_run(run_id)
    recorded = run.data.tags
    declared = _declared(run)
    rule = Decision.model_validate(declared["decision"])
    configs = _configs(run, declared, rule.baseline)
    differing, common = _differing(configs)
    dataset = data.DATASETS[common["dataset"]]
    found = _found(run, declared, configs)
    looks = found.looks
    seen = looks.seen[-1] if looks.seen else found.seeds
    runs, histories = (
        table[table["seed"].isin(seen)].reset_index(drop=True)
        for table in (found.runs, found.histories)
    )
    cells = found.cells
    if looks.over:  # no other cell will ever be needed
        cells = cells[cells["seed"].isin(seen)].reset_index(drop=True)
    others = list(configs)[1:]
    mixed = mixed_pairs(runs, tags.KERNELS)
    results, absent = read_results(
        run.info.artifact_uri,
        runs,
        (rule.baseline, foremost(runs, histories, others, rule)),
        dataset.classes,
        test,
    )
    if len(runs) and histories.empty:
        absent.append("learning curves: no metrics of epochs are recorded")
    return StudyRecord(
        run_id=run_id,
        key=recorded[tags.STUDY],
        question=recorded.get(tags.QUESTION, recorded[tags.STUDY]),
        question_ja=recorded.get(tags.QUESTION_JA, ""),
        begun=_time(run.info.start_time),
        generated=dataset.generated,
        rule=rule,
        regimes=differing,
        common=common,
        seeds=found.seeds,
        cells=cells,
        runs=runs,
        histories=histories,
        results=results,
        environment={name: sorted({str(value) for value in runs[name]} - {""}) for name in _SHOWN},
        absent=tuple(absent),
        mixed_kernels=None if mixed is None else tuple(mixed),
        changed=(
            None if recorded.get(tags.FRESH) == "True" else _changed(run, declared, found.runs)
        ),
        undecided=Promotion.model_validate(declared.get("promotion", {})).undecided,
        looks=looks,
        unused=len(found.runs) - len(runs),
    )


def read_cells(run_id: str) -> FoundCells:
    """What the store has of a study's cells so far; errors as of `read_record`."""
    run = studies.study_run(run_id)
    declared = _declared(run)
    rule = Decision.model_validate(declared["decision"])
    return _found(run, declared, _configs(run, declared, rule.baseline))


@dataclass(frozen=True)
class FoundCells:
    """What the store has of a study's cells.

    Attributes:
        key: The study's key.
        declared: See `Study.recorded`.
        seeds: As declared, in their order.
        cells: See `_cells`.
        runs: The finished runs.
        histories: A row for each of them and epoch.
        looks: The looks that have been taken.
    """

    key: str
    declared: Mapping[str, Any]
    seeds: tuple[int, ...]
    cells: pd.DataFrame
    runs: pd.DataFrame
    histories: pd.DataFrame
    looks: Looks


def _found(run: Run, declared: Mapping[str, Any], regimes: Mapping[str, Any]) -> FoundCells:
    """The cells of a study; `regimes` begins with the baseline."""
    recorded = run.data.tags
    taken_over: dict[str, str] = _json(run, TAKEN_OVER_FILE) or {}
    found = queries.study_runs(
        recorded[tags.STUDY],
        run.info.experiment_id,
        session=recorded[tags.SESSION] if recorded.get(tags.FRESH) == "True" else None,
        # A study that goes on still has the end of its interruption, before its newest runs.
        until=None if run.info.status == "RUNNING" else run.info.end_time,
        also=taken_over.values(),
    )
    runs = found[found["state"] == "FINISHED"].reset_index(drop=True)
    histories = read_curves(runs)
    seeds = tuple(sorted(declared["seeds"]))
    cells = _cells(list(regimes), seeds, found)
    ended = set(seeds) - set(cells.loc[~cells["state"].isin(_ENDED), "seed"])
    rule = Decision.model_validate(declared["decision"])
    looks = looks_taken(runs, histories, list(regimes)[1:], rule, seeds, ended)
    return FoundCells(recorded[tags.STUDY], declared, seeds, cells, runs, histories, looks)


def _configs(run: Run, declared: Mapping[str, Any], baseline: str) -> dict[str, dict[str, Any]]:
    """Regime → its parameters, the baseline first, the others in the order of the study file.

    Studies recorded before 0.2 hold that order in a parameter only.
    """
    order = declared.get("regime_order") or run.data.params["regimes"].split(",")
    return {regime: declared["regimes"][regime] for regime in dict.fromkeys([baseline, *order])}


def _declared(run: Run) -> dict[str, Any]:
    declared = _json(run, "study.json")
    if declared is None:
        if missing := gone(run.info.artifact_uri, mlflow.get_tracking_uri()):
            raise TrackingError(f"expected the files of run {run.info.run_id} {missing}")
        raise TrackingError(
            f"expected the artifact study.json of the study's run {run.info.run_id}, received "
            "none: it cannot be known what was declared; run `compare` again"
        )
    try:
        Decision.model_validate(declared["decision"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrackingError(
            f"expected the artifact study.json of the study's run {run.info.run_id} to say "
            f"what was declared, received: {brief(error)}"
        ) from error
    return declared


def _json(run: Run, name: str) -> dict[str, Any] | None:
    """A JSON artifact of a run; None if there is none."""
    with queries.artifact(run.info.artifact_uri, name) as path:
        if path is None:
            return None
        try:
            content: dict[str, Any] = json.loads(read_file(path, _LARGEST_DECLARATION))
        except (OSError, ValueError, RecursionError) as error:
            raise TrackingError(
                f"expected the artifact {name} of the study's run {run.info.run_id} to be JSON, "
                f"received: {brief(error)}"
            ) from error
        return content


def _changed(run: Run, declared: Mapping[str, Any], runs: pd.DataFrame) -> Changed | None:
    """Whether runs were made before the study was first declared as it is."""
    study, experiment = run.data.tags[tags.STUDY], run.info.experiment_id
    first = studies.first_study_run(study, experiment) or run
    begun = first.info.start_time
    finished = int((runs["begun"] < begun).sum())
    if not finished:
        return None
    name = study.rpartition("-")[0]
    earlier = studies.earlier_study_run(name, study, experiment, begun)
    before = (_json(earlier, "study.json") if earlier else None) or declared
    parts = {"rule": "decision", "seeds": "seeds", "regimes": "regimes"}
    what = [part for part, key in parts.items() if before.get(key) != declared.get(key)]
    return Changed(_time(begun), finished, tuple(what))


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"


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
