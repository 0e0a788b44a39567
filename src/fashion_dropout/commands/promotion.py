"""The model registry: ``promote``, ``rollback``, ``history``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fashion_dropout.commands.options import data_dir_option, optional, run_of_study
from fashion_dropout.errors import ExitCode, UsageError
from fashion_dropout.files import user_path


@click.command()
@click.argument("study", default="")
@optional(
    "--policy",
    help="The TOML file that declares the gate. Default: experiments/promotion.toml of the working "
    "directory, else the same file as it comes with the program.",
)
@optional(
    "--model-name",
    help="The registered model. Default: fashion-mnist-cnn; for a study of generated images "
    "fashion-mnist-cnn-synthetic, of your own idx-cnn.",
)
@click.option("--dry-run", is_flag=True, help="Decide only; write nothing.")
@data_dir_option
def promote(
    study: str, policy: str | None, model_name: str | None, dry_run: bool, data_dir: Path | None
) -> None:
    """Check the model behind a study's verdict; if it passes the gate, it becomes the champion.

    STUDY is latest, the name of a study, or the id of its own run; `studies` lists them. Exit code
    0: promoted; 3: held back.

    \b
    Examples:
      fashion-dropout promote latest
      fashion-dropout promote 0123456789abcdef0123456789abcdef --dry-run
    """
    if not study:
        raise UsageError(
            "expected as STUDY latest, the name of a study, or the id of its own run, received "
            "none; `fashion-dropout studies` lists them"
        )
    from fashion_dropout.config.promotion import POLICY_FILE, read_policy, standard_policy

    own = policy or (POLICY_FILE if Path(POLICY_FILE).exists() else None)
    declared = read_policy(user_path(own) if own else standard_policy())
    if not own:
        click.echo("conditions: the standard ones, which come with the program")
    from fashion_dropout.promotion.promote import promote_study

    outcome = promote_study(
        run_of_study(study),
        declared,
        click.echo,
        model_name=model_name,
        dry_run=dry_run,
        data_dir=data_dir,
    )
    click.echo(outcome.text)
    if not outcome.promoted:
        sys.exit(ExitCode.HELD_BACK)


_registered_model = optional(
    "--model-name", help="The registered model. Default: fashion-mnist-cnn."
)


@click.command()
@_registered_model
@optional("--reason", help="The reason, which the history shows.")
def rollback(model_name: str | None, reason: str | None) -> None:
    """Make the previous champion the champion again; the present one becomes previous.

    The previous model is loaded first: if it is missing or damaged, no alias moves.

    \b
    Examples:
      fashion-dropout rollback --reason "shirts are taken for coats"
      fashion-dropout rollback --model-name fashion-mnist-cnn-synthetic
    """
    from fashion_dropout.promotion.rollback import roll_back

    click.echo(roll_back(model_name, reason))


@click.command()
@_registered_model
def history(model_name: str | None) -> None:
    """Print every promotion and rollback of a registered model, the newest first.

    \b
    Examples:
      fashion-dropout history
      fashion-dropout history --model-name fashion-mnist-cnn-synthetic
    """
    from fashion_dropout.promotion.history import describe_history

    click.echo(describe_history(model_name))
