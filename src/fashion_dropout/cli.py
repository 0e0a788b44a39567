"""The command ``fashion-dropout``: its verbs, and how it ends.

Heavy imports are inside the verbs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import click

from fashion_dropout import __version__, environment, escapes
from fashion_dropout.collector import collect_seldom
from fashion_dropout.commands import (
    examination,
    judge,
    prediction,
    promotion,
    results,
    runs,
    studies,
    unforeseen,
    upkeep,
)
from fashion_dropout.commands.launched import Verbs
from fashion_dropout.commands.typed import as_typed
from fashion_dropout.errors import FashionDropoutError, Interrupted, UsageError
from fashion_dropout.interrupts import interruptible
from fashion_dropout.tracking.store.secrets import without_password
from fashion_dropout.tracking.store.timeouts import someone_still_waits


@click.group(
    cls=Verbs,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
    commands=[
        runs.train,
        runs.verify,
        runs.data,
        studies.plan,
        studies.compare,
        judge.judge,
        results.studies,
        results.report,
        results.variance,
        results.export,
        results.publish,
        studies.ui,
        examination.stress,
        examination.audit,
        prediction.predict,
        promotion.promote,
        promotion.rollback,
        promotion.history,
        upkeep.status,
        upkeep.sync,
        upkeep.relocate,
    ],
)
@click.version_option(__version__)
def cli() -> None:
    """Does dropout change how a small network overfits Fashion-MNIST?

    Every training run is recorded in MLflow: in mlflow.db and mlruns/ of the working directory,
    unless MLFLOW_TRACKING_URI names another store.
    """
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError as error:
        raise UsageError(
            "expected a working directory, received one that was removed; go to another folder"
        ) from error
    try:
        Path.home()  # MLflow asks for it when it is imported
    except RuntimeError as error:
        raise UsageError(
            "expected a home folder, received none: HOME is not set and this user id has no name; "
            "set HOME to a folder that may be written to"
        ) from error


def main(arguments: list[str] | None = None) -> None:
    """Run the command; what a user can cause ends in one line and an exit code."""
    if sys.stderr is None:
        _open_stderr()
    collect_seldom()
    ignored = environment.settle()
    environment.write_what_can_be_shown(sys.stdout, sys.stderr)
    if ignored:
        click.echo(
            f"note: not followed: {', '.join(ignored)}; docs/reliability.md says why", err=True
        )
    code = 0
    try:
        _run(arguments)
    except SystemExit as end:
        if not someone_still_waits():
            raise
        code = end.code if isinstance(end.code, int) else 0
    if someone_still_waits():  # for a store that does not answer: that must not keep us
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _open_stderr() -> None:
    """A standard error that nobody reads, for who has closed it: TensorFlow writes to its number,
    which another file would get.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.set_inheritable(2, True)  # for the workers of a study
    sys.stderr = os.fdopen(2, "w", encoding="utf-8")


def _run(arguments: list[str] | None) -> None:
    with interruptible():
        try:
            cli.main(args=arguments, prog_name="fashion-dropout", standalone_mode=False)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            _fail(error, " ".join(error.format_message().split()), error.exit_code)
        except (FashionDropoutError, Interrupted) as error:
            _fail(error, str(error), error.exit_code)
        except (KeyboardInterrupt, click.Abort) as error:
            _fail(error, "stopped", 130)
        except Exception as error:
            explanation = unforeseen.explain(error)
            if explanation is None:
                raise
            _fail(error, explanation, 1)


def _fail(error: BaseException, text: str, exit_code: int) -> None:
    _drop_unwritten(sys.stdout)
    try:
        lines = [f"Error: {text}", *(f"Note: {note}" for note in getattr(error, "__notes__", ()))]
        for line in lines:
            click.echo(as_typed(escapes.message(without_password(line))), err=True)
    except OSError:
        _drop_unwritten(sys.stderr)
    if "MLFLOW_RUN_ID" in os.environ:  # only under `mlflow run`: the import takes seconds
        from fashion_dropout.tracking.recording.launched import end_launched_run

        end_launched_run(error)
    sys.exit(exit_code)


def _drop_unwritten(stream: TextIO | None) -> None:
    """Forget what a full disk did not take, or Python would fail on it again at its end."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())
