"""One run and its data: ``train``, ``verify``, ``data``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fashion_dropout.commands.options import (
    ParameterType,
    WithSwitches,
    data_dir_option,
    experiment_option,
    given,
    optional,
    switch,
    training_options,
)
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import ExitCode, UsageError


@click.command(cls=WithSwitches)
@training_options
@switch(
    "--fresh", help="Train from the first epoch, even if the run has finished or was interrupted."
)
@optional(
    "--resume",
    metavar="RUN_ID",
    help="Continue this interrupted run, with the parameters that it was started with.",
)
@data_dir_option
@experiment_option
@click.pass_context
def train(
    context: click.Context,
    /,
    fresh: bool,
    resume: str | None,
    data_dir: Path | None,
    experiment: str | None,
    **parameters: Any,
) -> None:
    """Train one network and record it in MLflow.

    If the run was interrupted, the same command continues it. If it has finished, nothing is
    trained again.

    \b
    Examples:
      fashion-dropout train --dropout 0.5 --seed 3
      fashion-dropout train --dataset synthetic --epochs 3
      fashion-dropout train --dataset idx --data-dir ~/kmnist
      fashion-dropout train --dropout 0.5 --seed 3 --fresh
      fashion-dropout train --resume 0123456789abcdef0123456789abcdef
    """
    from fashion_dropout.commands.console import display
    from fashion_dropout.runs.train import resume_run, train_run

    config = TrainingConfig(**parameters)
    if resume is not None:
        config = _config_of(resume, given(context, parameters), fresh, experiment)
    with display(config.epochs) as shown:
        if resume is not None:
            summary = resume_run(resume, shown, data_dir=data_dir)
        else:
            summary = train_run(
                config, shown, data_dir=data_dir, experiment=experiment, fresh=fresh
            )
    from fashion_dropout.tracking.pages.prepared import prepared
    from fashion_dropout.tracking.pages.views import of_single_runs
    from fashion_dropout.tracking.store import urls

    charts, warning = prepared(summary.experiment_id, of_single_runs())
    run_page = urls.run_page(summary.experiment_id, summary.run_id)
    metrics = summary.metrics
    click.echo(
        f"\ntest accuracy {metrics['test/accuracy']:.2%}   gap {metrics['gap/loss']:+.4f}   "
        f"(model of epoch {summary.selected_epoch}, the {config.select} one; gap = validation "
        f"loss {metrics['val/loss']:.4f} − training loss {metrics['train/loss']:.4f})\n"
        f"run {summary.run_id}\n"
        f"{urls.how_to_look_at({'this run': f'/{run_page}', **charts})}"
    )
    if warning:
        click.echo(f"warning: {warning}", err=True)


def _config_of(
    run_id: str, wanted: Mapping[str, Any], fresh: bool, experiment: str | None
) -> TrainingConfig:
    """The parameters that an interrupted run was begun with; others than these are refused."""
    from fashion_dropout.runs.interrupted import interrupted_run

    for option, chosen in (("--fresh", fresh), ("--experiment-name", experiment)):
        if chosen:
            raise UsageError(f"expected either --resume or {option}, received both")
    begun = interrupted_run(run_id).config
    changed = [
        f"{name} {value!r} (it has {getattr(begun, name)!r})"
        for name, value in wanted.items()
        if value != getattr(begun, name)
    ]
    if changed:
        raise UsageError(
            f"expected the parameters that run {run_id} was begun with, received "
            f"{', '.join(changed)}; leave them out, or leave out --resume for a run of its own"
        )
    return begun


@click.command()
@click.argument("run_id")
@data_dir_option
def verify(run_id: str, data_dir: Path | None) -> None:
    """Repeat a recorded run and check whether its metrics and last weights are bit-identical.

    RUN_ID is the id of a finished training run. Exit code 0: identical; 5: drifted.

    \b
    Examples:
      fashion-dropout verify 0123456789abcdef0123456789abcdef
    """
    from fashion_dropout.commands.console import display
    from fashion_dropout.runs.verify import verify_run

    verification = verify_run(run_id, display, data_dir=data_dir)
    click.echo(verification.text)
    if not verification.reproduced:
        sys.exit(ExitCode.DRIFTED)


@click.command()
@click.option(
    "--dataset",
    type=ParameterType("dataset"),
    default=TrainingConfig.model_fields["dataset"].default,
    help="fashion-mnist, the generated images, or your own, in --data-dir.",
)
@data_dir_option
def data(dataset: str, data_dir: Path | None) -> None:
    """Fetch and verify the dataset; print counts, classes, checksums, and the expected speed.

    \b
    Examples:
      fashion-dropout data
      fashion-dropout data --data-dir ~/fashion-mnist
      fashion-dropout data --dataset idx --data-dir ~/kmnist
    """
    from fashion_dropout.learning.dataset import describe, open_dataset
    from fashion_dropout.learning.kernels import describe_machine

    click.echo(describe(open_dataset(dataset, data_dir, say=click.echo)))
    click.echo(describe_machine())
