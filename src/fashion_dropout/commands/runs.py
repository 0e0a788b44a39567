"""One run and its data: ``train``, ``verify``, ``data``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fashion_dropout.commands.options import (
    ParameterType,
    data_dir_option,
    experiment_option,
    training_options,
)
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import ExitCode


@click.command()
@training_options
@data_dir_option
@experiment_option
def train(data_dir: Path | None, experiment: str | None, **parameters: Any) -> None:
    """Train one network and record it in MLflow.

    \b
    Examples:
      fashion-dropout train --dropout 0.5 --seed 3
      fashion-dropout train --dataset synthetic --epochs 3
    """
    from fashion_dropout.commands.console import display
    from fashion_dropout.runs.train import train_run

    config = TrainingConfig(**parameters)
    with display(config.epochs) as shown:
        summary = train_run(config, shown, data_dir=data_dir, experiment=experiment)
    from fashion_dropout.tracking import pages

    charts, warning = pages.prepared_single_runs(summary.experiment_id)
    run_page = pages.run_page(summary.experiment_id, summary.run_id)
    metrics = summary.metrics
    click.echo(
        f"\ntest accuracy {metrics['test/accuracy']:.2%}   gap {metrics['gap/loss']:+.4f}   "
        f"(model of epoch {summary.selected_epoch}, the {config.select} one; gap = validation "
        f"loss {metrics['val/loss']:.4f} − training loss {metrics['train/loss']:.4f})\n"
        f"run {summary.run_id}\n"
        f"{pages.how_to_look_at({'this run': f'/{run_page}', **charts})}"
    )
    if warning:
        click.echo(f"warning: {warning}", err=True)


@click.command()
@click.argument("run_id")
@data_dir_option
def verify(run_id: str, data_dir: Path | None) -> None:
    """Repeat a recorded run and say whether its numbers are the same, to the bit.

    Exit code 0: identical; 5: drifted.

    \b
    Examples:
      fashion-dropout verify 0123456789abcdef0123456789abcdef
    """
    from fashion_dropout.commands.console import display
    from fashion_dropout.runs.verify import verify_run

    verification = verify_run(run_id, display, data_dir=data_dir)
    click.echo(verification.text)
    if verification.drifts:
        sys.exit(ExitCode.DRIFTED)


@click.command()
@click.option(
    "--dataset",
    type=ParameterType("dataset"),
    default=TrainingConfig.model_fields["dataset"].default,
    show_default=True,
    help="fashion-mnist, or the generated images.",
)
@data_dir_option
def data(dataset: str, data_dir: Path | None) -> None:
    """Fetch and verify the dataset; print counts, classes, checksums, and what this machine is.

    \b
    Examples:
      fashion-dropout data
      fashion-dropout data --data-dir ~/fashion-mnist
    """
    from fashion_dropout.learning.dataset import describe, open_dataset
    from fashion_dropout.learning.kernels import describe_machine

    click.echo(describe(open_dataset(dataset, data_dir, say=click.echo)))
    click.echo(describe_machine())
