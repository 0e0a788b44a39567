"""What runs, what was left behind or moved: ``status``, ``sync``, ``relocate``."""

from __future__ import annotations

import sys

import click

from fashion_dropout.commands.options import optional
from fashion_dropout.commands.typed import as_typed
from fashion_dropout.escapes import visible


@click.command()
def status() -> None:
    """Show running and interrupted runs, and records that the store has not received yet.

    \b
    Examples:
      fashion-dropout status
    """
    from fashion_dropout.studies.status import describe_status

    click.echo(as_typed(describe_status()))


@click.command()
@optional(
    "--ended",
    metavar="HOST|RUN_ID",
    help="A host, or a run, whose processes have ended, though this machine cannot see it: another "
    "machine, this one under an earlier name, an `mlflow run` that failed.",
)
def sync(ended: str | None) -> None:
    """Deliver records that the store has not received yet; mark the runs of processes that died.

    Exit code 6: some records could not be delivered, or not be read; all are kept.

    \b
    Examples:
      fashion-dropout sync
      fashion-dropout sync --ended old-laptop
    """
    import mlflow

    from fashion_dropout.errors import TrackingError, UndeliveredError
    from fashion_dropout.studies.patience import is_away
    from fashion_dropout.tracking.recording.recovery import tidy, undelivered
    from fashion_dropout.tracking.recording.unseen import tell_unseen
    from fashion_dropout.tracking.store.connect import connect, is_there, store_name

    if is_there(mlflow.get_tracking_uri()):  # to ask something must not make an empty store
        try:
            connect()
        except TrackingError as error:
            own = store_name(mlflow.get_tracking_uri())
            waiting_for = {left.store for left in undelivered(lambda line: None) if left.entries}
            if is_away(error) and own in waiting_for:
                raise UndeliveredError(str(error)) from error
            raise
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        click.echo(as_typed(visible(line)))

    waiting = tidy(say, all_stores=True, ended=ended)
    tell_unseen(say, ended)
    if not lines:
        say("nothing to do: everything is delivered, and no run of a dead process is RUNNING")
    if waiting:
        sys.exit(UndeliveredError.exit_code)


@click.command()
def relocate() -> None:
    """Record where the files of a store are, after its folder was renamed, moved or copied.

    MLflow records absolute paths of models and artifacts. This command copies the database, then
    records that the files are in the folder of the database. It refuses if they are not there.

    \b
    Examples:
      fashion-dropout relocate
    """
    import mlflow

    from fashion_dropout.tracking.store.relocation import relocate as record_present_places

    click.echo(record_present_places(mlflow.get_tracking_uri()))
