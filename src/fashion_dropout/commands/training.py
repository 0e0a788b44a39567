"""One run and its data: ``train``, ``data``."""

from __future__ import annotations

from typing import Any

import click

from fashion_dropout.config import TrainingConfig
from fashion_dropout.options import (
    ParameterType,
    data_dir_option,
    experiment_option,
    given,
    training_options,
)


@click.command()
@training_options
@data_dir_option
@experiment_option
def train(data_dir: str, experiment_name: str, **parameters: Any) -> None:
    """Train one network and record it in MLflow.

    \b
    Examples:
      fashion-dropout train --dropout 0.5 --seed 3
      fashion-dropout train --dataset synthetic --epochs 3
    """
    from fashion_dropout.cell import train_run
    from fashion_dropout.display import display

    config = TrainingConfig(**parameters)
    with display(config.epochs) as shown:
        summary = train_run(
            config, shown, data_dir=given(data_dir), experiment=experiment_name or None
        )
    from fashion_dropout.tracking.store import how_to_look_at

    metrics = summary.metrics
    click.echo(
        f"\ntest accuracy {metrics['test/accuracy']:.2%}   gap {metrics['gap/loss']:+.4f}   "
        f"(model of epoch {summary.selected_epoch}, the {config.select} one; gap = validation "
        f"loss {metrics['val/loss']:.4f} − training loss {metrics['train/loss']:.4f})\n"
        f"run {summary.run_id}\n"
        f"{how_to_look_at(summary.experiment_id, summary.run_id)}"
    )


@click.command()
@click.option(
    "--dataset",
    type=ParameterType("dataset"),
    default=TrainingConfig.model_fields["dataset"].default,
    show_default=True,
    help="fashion-mnist, or the generated images.",
)
@data_dir_option
def data(dataset: str, data_dir: str) -> None:
    """Fetch and verify the dataset; print counts, classes and checksums.

    \b
    Examples:
      fashion-dropout data
      fashion-dropout data --data-dir ~/fashion-mnist
    """
    from fashion_dropout.learning.dataset import describe, open_dataset

    click.echo(describe(open_dataset(dataset, given(data_dir), say=click.echo)))
