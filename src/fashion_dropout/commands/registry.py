"""The model registry: ``promote``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fashion_dropout.options import data_dir_option, given


@click.command()
@click.argument("study", default="")
@click.option("--rollback", is_flag=True, help="Make the previous champion the champion again.")
@click.option("--history", is_flag=True, help="Print every decision, the newest first.")
@click.option("--dry-run", is_flag=True, help="Decide, and write nothing.")
@click.option(
    "--policy",
    default="experiments/promotion.toml",
    show_default=True,
    help="The TOML file that declares the gate.",
)
@click.option(
    "--model-name",
    default="",
    help="The registered model. Default: fashion-mnist-cnn; for a study of generated images "
    "fashion-mnist-cnn-synthetic.",
)
@click.option("--reason", default="", help="With --rollback: why, for the history.")
@data_dir_option
def promote(
    study: str,
    rollback: bool,
    history: bool,
    dry_run: bool,
    policy: str,
    model_name: str,
    reason: str,
    data_dir: str,
) -> None:
    """Offer the model of a study's verdict to the gate; if it passes, it becomes the champion.

    STUDY is the id of the study's own run, which `compare` prints at its end. Exit code 0:
    promoted; 3: held back.

    \b
    Examples:
      fashion-dropout promote 0123456789abcdef0123456789abcdef
      fashion-dropout promote 0123456789abcdef0123456789abcdef --dry-run
      fashion-dropout promote --history
      fashion-dropout promote --rollback --reason "shirts are taken for coats"
    """
    if sum((bool(study), rollback, history)) != 1:
        raise click.UsageError("expected one of STUDY, --rollback and --history")
    if rollback or history:
        from fashion_dropout.promotion import rollback as back

        click.echo(back.roll_back(model_name, reason) if rollback else back.history(model_name))
        return
    from fashion_dropout.promotion_file import read_policy

    declared = read_policy(Path(policy))
    from fashion_dropout.promotion.promote import EXIT_HELD_BACK, promote_study

    outcome = promote_study(
        study,
        declared,
        click.echo,
        model_name=model_name,
        dry_run=dry_run,
        data_dir=given(data_dir),
    )
    click.echo(outcome.text)
    if not outcome.promoted:
        sys.exit(EXIT_HELD_BACK)
