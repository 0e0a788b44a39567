"""A study read back from MLflow, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run

from fashion_dropout import provenance
from fashion_dropout.comparison.pairing import misplaced, mixed_pairs
from fashion_dropout.comparison.record import Changed, StudyRecord
from fashion_dropout.config.cell import seed_and_split
from fashion_dropout.config.decision import Promotion
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.config.vary import SOURCES
from fashion_dropout.errors import UsageError
from fashion_dropout.learning.dataset import DATASETS, Dataset, open_dataset
from fashion_dropout.learning.examples import Examples
from fashion_dropout.studies.found import (
    FoundCells,
    declaration,
    found_cells,
    json_artifact,
    regime_configs,
)
from fashion_dropout.studies.predictions import read_results
from fashion_dropout.tracking.reading import studies
from fashion_dropout.tracking.store import tags

_SHOWN = (
    *(tags.DATASET, tags.DATASET_SHA256, tags.SPLIT_SHA256, tags.GIT_COMMIT, tags.GIT_DIRTY),
    *(tags.TRAINING_CODE, tags.CPU, *tags.KERNELS, "threads"),
    *map(tags.version_of, provenance.PACKAGES),
)


def read_record(run_id: str, test: Examples | None = None) -> StudyRecord:
    """Everything that MLflow holds about a study, by its own run.

    In a test set, the images are looked for on which the regimes disagree most; without one, those
    are taken that the study's run has stored.

    Raises:
        UsageError: There is no such run, or it is not the run of a study.
        TrackingError: The run does not say what was declared.
    """
    run = studies.study_run(run_id)
    recorded = run.data.tags
    declared, rule = declaration(run)
    configs = regime_configs(run, declared, rule.baseline)
    differing, common = _differing(configs)
    classes = json.loads(recorded.get(tags.CLASSES, "[]")) or DATASETS[common["dataset"]].classes
    found = found_cells(run, declared, configs)
    runs, histories, cells = _seen(found)
    mixed = mixed_pairs(runs, tags.KERNELS)
    record = StudyRecord(
        run_id=run_id,
        key=recorded[tags.STUDY],
        question=recorded.get(tags.QUESTION, recorded[tags.STUDY]),
        question_ja=recorded.get(tags.QUESTION_JA, ""),
        begun=_time(run.info.start_time),
        rule=rule,
        regimes=differing,
        common=common,
        seeds=found.seeds,
        cells=cells,
        runs=runs,
        histories=histories,
        results=None,
        environment={name: sorted({str(value) for value in runs[name]} - {""}) for name in _SHOWN},
        mixed_kernels=None if mixed is None else tuple(mixed),
        changed=(
            None if recorded.get(tags.FRESH) == "True" else _changed(run, declared, found.runs)
        ),
        undecided=Promotion.model_validate(declared.get("promotion", {})).undecided,
        looks=found.looks,
        unused=len(found.runs) - len(runs),
        misplaced=misplaced(runs, seeds_behind(runs, common), tags.SOURCES),
    )
    shown = (rule.baseline, record.foremost)
    results, absent = read_results(run.info.artifact_uri, runs, shown, tuple(classes), test)
    if len(runs) and histories.empty:
        absent.append("learning curves: no metrics of epochs are recorded")
    return replace(record, results=results, absent=tuple(absent))


def seeds_behind(runs: pd.DataFrame, common: Mapping[str, Any]) -> dict[str, list[int]]:
    """Source of randomness → the seed from which each run of a study draws; `common` are the
    parameters that all its regimes share.
    """
    shared = {name: common[name] for name in ("vary", "split_seed") if name in common}
    configs = []
    for seed, split in map(seed_and_split, runs["seed"]):
        own = {} if split is None else {"split_seed": split}
        configs.append(TrainingConfig(**{**shared, **own}, seed=seed))
    return {source: [config.seed_of(source) for config in configs] for source in SOURCES}


def images_of(record: StudyRecord, data_dir: Path | None) -> Dataset:
    """The dataset of a study, opened; arguments and errors as of `dataset.open_dataset`."""
    recorded = next(iter(record.environment[tags.DATASET_SHA256]), None)
    return open_dataset(record.common["dataset"], data_dir, recorded=recorded)


def read_finished(run_id: str) -> StudyRecord:
    """As `read_record`, of a study that has finished: it is promoted, or goes into a paper.

    Raises:
        UsageError: There is no such study, or it has not finished.
        TrackingError: The run does not say what was declared.
    """
    record = read_record(run_id)
    check_finished(studies.study_run(run_id), record.cells)
    return record


def check_finished(run: Run, cells: pd.DataFrame) -> None:
    """Refuse a study that has not finished, by its own run; `cells` has a row for each declared
    cell, with the column state.

    Raises:
        UsageError: It has not.
    """
    received = [f"status {run.info.status}"] if run.info.status != "FINISHED" else []
    if unfinished := int((cells["state"] != "FINISHED").sum()):
        received.append(f"{unfinished} of {len(cells)} cells without a finished run")
    if received:
        raise UsageError(
            f"expected a finished study, received {run.info.run_id} with {' and '.join(received)}; "
            "run `compare` again and give the id that it prints"
        )


def _seen(found: FoundCells) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Runs, histories and cells of the pairs that the last look saw."""
    seen = found.looks.seen[-1] if found.looks.seen else found.seeds
    runs, histories, cells = (
        table[table["seed"].isin(seen)].reset_index(drop=True)
        for table in (found.runs, found.histories, found.cells)
    )
    # Once it is decided, no other cell will ever be needed.
    return runs, histories, cells if found.looks.over else found.cells


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
    before = (json_artifact(earlier, "study.json") if earlier else None) or declared
    parts = {"rule": "decision", "seeds": "seeds", "splits": "split_seeds", "regimes": "regimes"}
    what = [part for part, key in parts.items() if before.get(key) != declared.get(key)]
    return Changed(_time(begun), finished, tuple(what))


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _differing(
    configs: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The parameters in which the regimes differ, by regime, and those that all share.

    What only one of them declares has its default in the others; see `Study.resolved`.
    """
    fields = TrainingConfig.model_fields
    names = dict.fromkeys(name for config in configs.values() for name in config)
    # A newer version of the program may have recorded parameters that this one does not know.
    defaults = {name: fields[name].default if name in fields else None for name in names}
    values = {
        name: {regime: config.get(name, default) for regime, config in configs.items()}
        for name, default in defaults.items()
    }
    moving = [name for name, of in values.items() if len(set(of.values())) > 1]
    shared = {name: next(iter(of.values())) for name, of in values.items() if name not in moving}
    differing = {regime: {name: values[name][regime] for name in moving} for regime in configs}
    return differing, shared
