"""What the store has of a study: its declaration, the runs of its cells, their learning curves."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Run

from fashion_dropout import provenance
from fashion_dropout.comparison.regimes import Looks, looks_taken
from fashion_dropout.config.cell import pair_number
from fashion_dropout.config.decision import Decision
from fashion_dropout.config.study import Study
from fashion_dropout.errors import TrackingError
from fashion_dropout.escapes import brief
from fashion_dropout.files import read_file
from fashion_dropout.studies.cells import TAKEN_OVER_FILE
from fashion_dropout.studies.curves import read_curves
from fashion_dropout.tracking.reading import queries, studies
from fashion_dropout.tracking.store import tags
from fashion_dropout.tracking.store.places import gone

_LARGEST_DECLARATION = 2**26  # bytes: a thousand regimes have 400 kB
_ENDED = ("FINISHED", "FAILED")  # not KILLED, which goes on


def read_cells(run_id: str) -> FoundCells:
    """What the store has of a study's cells so far; errors as of `read.read_record`."""
    run = studies.study_run(run_id)
    declared, rule = declaration(run)
    return found_cells(run, declared, regime_configs(run, declared, rule.baseline))


@dataclass(frozen=True)
class FoundCells:
    """What the store has of a study's cells.

    Attributes:
        declared: See `Study.recorded`.
        seeds: As declared, in their order; of several splits the numbers of the pairs.
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


def found_cells(run: Run, declared: Mapping[str, Any], regimes: Collection[str]) -> FoundCells:
    """The cells of a study; `regimes` begins with the baseline."""
    recorded = run.data.tags
    taken_over: dict[str, str] = json_artifact(run, TAKEN_OVER_FILE) or {}
    # While it goes on, it may still have the end of its interruption, before its newest runs.
    goes_on = run.info.status == "RUNNING" or run.info.end_time is None
    found = queries.study_runs(
        recorded[tags.STUDY],
        run.info.experiment_id,
        session=recorded[tags.SESSION] if recorded.get(tags.FRESH) == "True" else None,
        until=None if goes_on else max(int(run.info.end_time), int(recorded.get(tags.NEWEST, 0))),
        also=taken_over.values(),
        crossed="split_seeds" in declared,
        code=recorded.get(tags.TRAINING_CODE),
    )
    return _of_runs(recorded[tags.STUDY], declared, regimes, found)


def declared_cells(study: Study, experiment_id: str, also: Collection[str]) -> FoundCells:
    """The cells of a declared study as they are now, whether or not it has a run of its own; `also`
    are the ids of the runs that it takes over.
    """
    declared = study.recorded()
    regimes = (study.decision.baseline, *study.others)
    crossed, code = bool(study.split_seeds), provenance.training_code_sha256()
    found = queries.study_runs(study.key, experiment_id, also=also, crossed=crossed, code=code)
    return _of_runs(study.key, declared, regimes, found)


def _of_runs(
    key: str, declared: Mapping[str, Any], regimes: Collection[str], found: pd.DataFrame
) -> FoundCells:
    """What the runs of a study say of its cells; see `queries.study_runs`."""
    if splits := declared.get("split_seeds"):
        found = found[found["split_seed"] != ""].copy()
        pairs = zip(found["seed"], found["split_seed"].astype(int), strict=True)
        found["seed"] = [pair_number(seed, split) for seed, split in pairs]
    runs = found[found["state"] == "FINISHED"].reset_index(drop=True)
    histories = read_curves(runs)
    seeds = tuple(sorted(declared["seeds"]))
    if splits:
        seeds = tuple(pair_number(seed, split) for split in splits for seed in seeds)
    cells = _cells(list(regimes), seeds, found)
    ended = set(seeds) - set(cells.loc[~cells["state"].isin(_ENDED), "seed"])
    rule = Decision.model_validate(declared["decision"])
    looks = looks_taken(runs, histories, list(regimes)[1:], rule, seeds, ended)
    return FoundCells(key, declared, seeds, cells, runs, histories, looks)


def regime_configs(
    run: Run, declared: Mapping[str, Any], baseline: str
) -> dict[str, dict[str, Any]]:
    """Regime → its parameters, the baseline first, the others in the order of the study file.

    Studies recorded before 0.2 hold that order in a parameter only.
    """
    order = declared.get("regime_order") or run.data.params["regimes"].split(",")
    return {regime: declared["regimes"][regime] for regime in dict.fromkeys([baseline, *order])}


def declaration(run: Run) -> tuple[dict[str, Any], Decision]:
    """What a study's run says was declared, see `Study.recorded`, and the rule in it.

    Raises:
        TrackingError: It does not say it.
    """
    declared = json_artifact(run, "study.json")
    if declared is None:
        if missing := gone(run.info.artifact_uri, mlflow.get_tracking_uri()):
            raise TrackingError(f"expected the files of run {run.info.run_id} {missing}")
        raise TrackingError(
            f"expected the artifact study.json of the study's run {run.info.run_id}, received "
            "none: it cannot be known what was declared; run `compare` again"
        )
    try:
        return declared, Decision.model_validate(declared["decision"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrackingError(
            f"expected the artifact study.json of the study's run {run.info.run_id} to say "
            f"what was declared, received: {brief(error)}"
        ) from error


def json_artifact(run: Run, name: str) -> dict[str, Any] | None:
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


def _cells(regimes: Sequence[str], seeds: Sequence[int], found: pd.DataFrame) -> pd.DataFrame:
    """A row for each declared cell, whether or not it has a run."""
    columns = ["regime", "seed"]
    declared = pd.DataFrame([(r, s) for s in seeds for r in regimes], columns=columns)
    known = found[[*columns, "run_id", "state", "reason"]]
    return declared.merge(known.astype({"seed": int}), on=columns, how="left").fillna("")
