"""The command ``fashion-dropout``: parse, one call, echo.

Heavy imports stand inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from fashion_dropout import __version__
from fashion_dropout.config import TrainingConfig, expected, parse_parameter
from fashion_dropout.errors import FashionDropoutError, Interrupted, UsageError
from fashion_dropout.interrupts import interruptible


class ParameterType(click.ParamType[Any]):
    """A field of `TrainingConfig` as an option, with the configuration's own checks."""

    def __init__(self, field: str) -> None:
        self.field = field
        self.name = {float: "number", int: "integer"}.get(_annotation(field), "text")

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        annotation = _annotation(self.field)
        return "|".join(get_args(annotation)) if get_origin(annotation) is Literal else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_parameter(self.field, value)
        except UsageError as error:
            raise UsageError(f"--{self.field.replace('_', '-')}: {error}") from error


def _annotation(field: str) -> Any:
    return TrainingConfig.model_fields[field].annotation


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for every field of `TrainingConfig`, with its default and its description."""
    for name, field in reversed(TrainingConfig.model_fields.items()):
        command = click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=ParameterType(name),
            default=field.default,
            show_default=True,
            help=f"{field.description} [{expected(name)}]",
        )(command)
    return command


data_dir_option = click.option(
    "--data-dir",
    default="",
    help="Folder with the four archives of Fashion-MNIST. Default: the folder that "
    "FASHION_MNIST_DIR names, else the user's cache, filled by a download.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def cli() -> None:
    """Does dropout change how a small network overfits Fashion-MNIST?

    Every training run is recorded in MLflow: in mlflow.db and mlruns/ of the working directory,
    unless MLFLOW_TRACKING_URI names another store.
    """


experiment_option = click.option(
    "--experiment-name",
    default="",
    help="MLflow experiment. Default: MLflow's own variables, else fashion-mnist-dropout.",
)


@cli.command()
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
            config, shown, data_dir=_given(data_dir), experiment=experiment_name or None
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


@cli.command()
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

    click.echo(describe(open_dataset(dataset, _given(data_dir), say=click.echo)))


@cli.command()
@click.argument("study", type=str, default="experiments/dropout/quick.toml")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Processes that run cells, one core each; 0: one for each core.",
)
@click.option(
    "--scheduler",
    default="",
    help="Address of a Dask scheduler (tcp://…) to run the cells on, instead of --workers.",
)
@click.option("--fresh", is_flag=True, help="Run every cell anew, also those that have finished.")
@data_dir_option
@experiment_option
def compare(
    study: str, workers: int, scheduler: str, fresh: bool, data_dir: str, experiment_name: str
) -> None:
    """Run a study, every regime with every seed, and end with a verdict.

    STUDY is a TOML file; cells that have finished before are not run again. Exit code 4: cells are
    missing.

    \b
    Examples:
      fashion-dropout compare experiments/dropout/quick.toml
      fashion-dropout compare experiments/dropout/full.toml --workers 2
    """
    from fashion_dropout.study_file import read_study

    declared = read_study(Path(study))
    from fashion_dropout.display import study_display
    from fashion_dropout.study import EXIT_INCOMPLETE, compare_study

    with study_display() as shown:
        outcome = compare_study(
            declared,
            shown,
            workers=workers,
            scheduler=scheduler,
            fresh=fresh,
            data_dir=_given(data_dir),
            experiment=experiment_name or None,
        )
    from fashion_dropout.tracking.store import how_to_look_at

    click.echo(
        f"\n{outcome.text}\n\nstudy run {outcome.run_id}\n"
        f"{how_to_look_at(outcome.experiment_id, outcome.run_id)}\n"
        "to run one of its runs again, bit for bit: fashion-dropout verify <run id>"
    )
    if outcome.missing:
        sys.exit(EXIT_INCOMPLETE)


@cli.command()
@click.argument("run_id")
@data_dir_option
def verify(run_id: str, data_dir: str) -> None:
    """Run a recorded run again and say whether its numbers are the same, to the bit.

    Exit code 0: identical; 5: drifted.

    \b
    Examples:
      fashion-dropout verify 0123456789abcdef0123456789abcdef
    """
    from fashion_dropout.verify import EXIT_DRIFTED, verify_run

    verification = verify_run(run_id, _given(data_dir))
    click.echo(verification.text)
    if verification.drifts:
        sys.exit(EXIT_DRIFTED)


def _given(folder: str) -> Path | None:
    return Path(folder).expanduser() if folder else None  # MLproject passes "" for “not given”


def main(arguments: list[str] | None = None) -> None:
    """Run the command; what a user can cause ends in one line and an exit code."""
    with interruptible():
        try:
            cli.main(args=arguments, prog_name="fashion-dropout", standalone_mode=False)
        except click.ClickException as error:
            _fail(error, " ".join(error.format_message().split()), error.exit_code)
        except (FashionDropoutError, Interrupted) as error:
            _fail(error, str(error), error.exit_code)
        except (KeyboardInterrupt, click.Abort) as error:
            _fail(error, "stopped", 130)


def _fail(error: BaseException, message: str, exit_code: int) -> None:
    click.echo(f"Error: {message}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"Note: {note}", err=True)
    if "MLFLOW_RUN_ID" in os.environ:
        from fashion_dropout.tracking.runs import end_launched_run

        end_launched_run(error)
    sys.exit(exit_code)
