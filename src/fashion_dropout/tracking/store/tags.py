"""The names of the tags that this project sets in MLflow, and which of them belong together."""

from __future__ import annotations

from fashion_dropout import provenance

ROLE = "role"
"""What a run of MLflow is: `RUN`, `STUDY` or `PROMOTION`."""
RUN, STUDY_RUN, PROMOTION = "run", "study", "promotion"

ERROR = "error"
"""Why a run has failed or was stopped, in one line."""

NOTE = "mlflow.note.content"
"""MLflow's own tag: the description of a run or an experiment, Markdown."""

COLOUR = "mlflow.runColor"
"""MLflow's own tag: the colour of a run in the UI's charts, ``#rrggbb``."""

OF_THE_MACHINE = "system/"
"""How MLflow's own metrics of a machine begin: no run is told by them."""

# Of a training run, of the cells of a study, and of the study's own run.
REGIME, SEED = "regime", "seed"
STUDY = "study"
STUDY_RUN_ID = "study.run"
SESSION = "study.session"
CELL = "study.cell"
"""The name of the cell that a run of a study is of; by it alone all runs of a cell are found."""
FRESH = "study.fresh"
QUESTION, QUESTION_JA = "question", "question.ja"
VERDICT, VERDICT_KIND, MISSING = "verdict", "verdict.kind", "missing"
PAIRS = "pairs"
"""From how many pairs a study's verdict is; of several regimes the most."""
NEWEST = "cells.newest"
"""When the newest run that a study compares was begun, in milliseconds since 1970, by whatever
clock: that of the study's own run may be behind it."""

# Of a promotion's run and of the versions that it registers.
ACTION, REGISTERED_MODEL, CANDIDATE = "action", "registered_model", "candidate"
DECISION, REASON, VERSION = "decision", "reason", "version"
DECISION_REASON, DECISION_RUN = "decision.reason", "decision.run"
PROJECT = "project"
"""Of a registered model: which project it belongs to."""

RESUMED = "resumed"
"""After which epochs a run was interrupted and continued, e.g. ``3, 7``."""

STOPPED = "stopped.epoch"
"""After which epoch ``patience`` ended a run, if it did."""

# Where the numbers of a training run come from.
BITS_SHA256 = "bits.sha256"
"""One digest of all that decides the bits of a run: parameters, data, versions, kernels."""
TRAINING_CODE = "code.training.sha256"
DATASET, DATASET_SHA256, SPLIT_SHA256 = "dataset", "dataset.sha256", "split.sha256"
CLASSES = "dataset.classes"
"""Of a study's own run: the class names, by label, as JSON."""
INITIAL_WEIGHTS_SHA256 = "weights.initial.sha256"
FIRST_BATCHES_SHA256 = "batches.first_epoch.sha256"
FIRST_MASKS_SHA256 = "masks.first_epoch.sha256"
FIRST_AUGMENTATION_SHA256 = "augmentation.first_epoch.sha256"
WEIGHTS_SHA256 = "weights.last.sha256"
"""Of the weights after the last epoch."""
GIT_COMMIT, GIT_DIRTY, CPU = "git.commit", "git.dirty", "cpu"
ONEDNN, INSTRUCTION_SET, DEVICE = "kernels.onednn", "kernels.isa", "device"


def gate_check(name: str) -> str:
    """The tag with the result of one check of the promotion gate."""
    return f"gate.{name.replace(' ', '_')}"


def version_of(package: str) -> str:
    """The tag with the version of a package."""
    return f"version.{package}"


def seed_of(source: str) -> str:
    """The tag with the seed from which a source of randomness draws."""
    return f"seed.{source}"


SAME_DATA = (DATASET_SHA256, SPLIT_SHA256)
"""What all runs of a study have in common, but for the split if that varies."""

SAME_PAIR = (
    *(*SAME_DATA, INITIAL_WEIGHTS_SHA256, FIRST_BATCHES_SHA256),
    *(FIRST_MASKS_SHA256, FIRST_AUGMENTATION_SHA256),
)
"""What the runs of one seed must have in common."""

SOURCES = {
    "init": INITIAL_WEIGHTS_SHA256,
    "order": FIRST_BATCHES_SHA256,
    "masks": FIRST_MASKS_SHA256,
    "augment": FIRST_AUGMENTATION_SHA256,
    "split": SPLIT_SHA256,
}
"""Source of randomness → the digest that shows what was drawn. Runs that were recorded before masks
and augmentation had one have none.
"""

KERNELS = (ONEDNN, INSTRUCTION_SET, DEVICE)
"""What a training run was computed with. Runs recorded before these tags existed have none."""

CONDITIONS = (*SAME_PAIR, TRAINING_CODE, *KERNELS, *map(version_of, provenance.PACKAGES))
"""What decides the bits of a training run beside its parameters."""

PROVENANCE = (DATASET, GIT_COMMIT, GIT_DIRTY, CPU, *KERNELS, *map(version_of, provenance.PACKAGES))
"""What a training run records about code, packages and machine."""
