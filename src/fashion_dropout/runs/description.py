"""What a run is called, how it is described, and its tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fashion_dropout import colours, provenance
from fashion_dropout.config.cell import cell_name
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.config.vary import SOURCES, USUAL
from fashion_dropout.learning import dataset as data
from fashion_dropout.learning.examples import EVALUATED_TRAINING_IMAGES
from fashion_dropout.learning.kernels import Kernels
from fashion_dropout.texts import Count
from fashion_dropout.tracking.store import tags, urls


def run_name(config: TrainingConfig, regime: str, cell: str | None = None) -> str:
    """What a run is called: as its cell, or ``<regime>-seed<seed>``; other images than
    Fashion-MNIST's are named behind it.
    """
    name = cell or cell_name(regime, config.seed)
    return name if config.dataset == data.FashionMnist.name else f"{name}-{config.dataset}"


def kernel_tags(kernels: Kernels) -> dict[str, str]:
    """The tags that say what a run was computed with."""
    return {
        tags.ONEDNN: "on" if kernels.onednn else "off",
        tags.INSTRUCTION_SET: kernels.instruction_set,
        tags.DEVICE: kernels.device,
    }


def conditions(dataset_sha256: str, split_sha256: str, kernels: Kernels) -> dict[str, str]:
    """The tags of what decides the bits of a run beside its parameters."""
    return {
        tags.DATASET_SHA256: dataset_sha256,
        tags.SPLIT_SHA256: split_sha256,
        tags.TRAINING_CODE: provenance.training_code_sha256(),
        **kernel_tags(kernels),
        **{tags.version_of(name): version for name, version in provenance.versions().items()},
    }


def page_beside(experiment_id: str, study_tags: Mapping[str, str]) -> tuple[str, str]:
    """Where a run is seen beside others: the page's name, and the page in MLflow's UI."""
    if study := study_tags.get(tags.STUDY_RUN_ID):
        return f"study {study_tags[tags.STUDY]}", urls.run_page(experiment_id, study)
    return "runs outside of studies, by regime", urls.view_page(experiment_id, urls.SINGLE_RUNS)


def description(
    config: TrainingConfig, regime: str, dataset: data.Dataset, beside: tuple[str, str]
) -> str:
    """What a reader of the run's page should know, Markdown; `beside` is as of `page_beside`."""
    warning = (
        ""
        if dataset.name == data.FashionMnist.name
        else f"**{dataset.title}: says nothing about Fashion-MNIST.** "
    )
    seed = f"seed {config.seed}" + (f" of {config.vary}" if config.vary != USUAL else "")
    return (
        f"{warning}Regime `{regime}` ({config.regularization}), {seed}, "
        f"{Count(config.epochs):epoch|epochs} of Adam at {config.learning_rate:g}, batches of "
        f"{config.batch_size}; the stored model is that of the {config.select} epoch. "
        f"See [{beside[0]}]({beside[1]}). "
        f"`train/loss` and `train/accuracy` are measured on the first "
        f"{EVALUATED_TRAINING_IMAGES:,} images of the training split, or "
        "on all if there are fewer, "
        "with dropout off.\n\n"
        "Look at `curves.png` for how it learned, at `gap/loss` for how it overfits, and at "
        "`misclassified.png` for what it gets wrong."
    )


def describing_tags(
    config: TrainingConfig, regime: str, dataset: data.Dataset, git: provenance.GitState | None
) -> dict[str, Any]:
    """The tags that say what a run is and where it was made; `conditions` are tags too."""
    return {
        tags.ROLE: tags.RUN,
        tags.REGIME: regime,
        tags.SEED: config.seed,
        **{tags.seed_of(source): config.seed_of(source) for source in SOURCES},
        tags.DATASET: dataset.name,
        tags.GIT_COMMIT: git.commit if git else "unknown",
        tags.GIT_DIRTY: git.dirty if git else "unknown",
        tags.CPU: provenance.cpu(),
        tags.COLOUR: colours.of_rate(config.dropout),
    }
