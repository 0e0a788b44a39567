"""Studies on their way: ``plan``, ``compare``, ``ui``; what they found is in `results`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fashion_dropout.commands.options import (
    WholeNumber,
    WithSwitches,
    data_dir_option,
    experiment_option,
    language_option,
    optional,
    run_of_study,
    switch,
)
from fashion_dropout.commands.typed import as_typed
from fashion_dropout.errors import ExitCode, Interrupted, UndeliveredError, UsageError
from fashion_dropout.escapes import visible
from fashion_dropout.files import user_path, writable, write_whole

if TYPE_CHECKING:
    from fashion_dropout.studies.conclude import StudyOutcome
    from fashion_dropout.texts import Language

_QUICK = "experiments/dropout/quick.toml"


@click.command(cls=WithSwitches)
@click.argument("study", type=str, default=_QUICK)
@click.option(
    "--workers",
    type=WholeNumber(0, 1024),
    default=0,
    help="Number of processes that run cells, one core each; 0: one for each core.",
)
@optional(
    "--scheduler",
    help="Address of a Dask scheduler (host:port, tcp://… or tls://…) to run the cells on, instead "
    "of --workers.",
)
@click.option(
    "--wait-for-workers",
    type=WholeNumber(0, 86_400),
    default=30,
    help="How many seconds to wait until the scheduler has a worker.",
)
@switch(
    "--fresh",
    help="Run every cell from its first epoch, even if it has finished or was interrupted.",
)
@data_dir_option
@experiment_option
def compare(
    study: str,
    workers: int,
    scheduler: str | None,
    wait_for_workers: int,
    fresh: bool,
    data_dir: Path | None,
    experiment: str | None,
) -> None:
    """Run a study, every regime with every seed, and end with a verdict.

    STUDY is a TOML file; by default experiments/dropout/quick.toml. A cell is one regime with one
    seed. Finished cells are not run again, interrupted ones are continued. Exit code 4: some cells
    have no finished run.

    \b
    Examples:
      fashion-dropout compare experiments/dropout/quick.toml
      fashion-dropout compare experiments/dropout/full.toml --scheduler localhost:8786
    """
    from fashion_dropout.config.study import read_study

    if study == _QUICK and not Path(study).exists():
        raise UsageError(
            f"expected a study file, received none: {study} is in a checkout of the project, and "
            f"{Path.cwd()} is none; go to one, or name a study file of your own"
        )
    if workers and scheduler:
        reason = "the workers of a scheduler are started separately"
        raise UsageError(f"expected either --workers or --scheduler, received both: {reason}")
    declared = read_study(user_path(study))
    from fashion_dropout.commands.console import study_display
    from fashion_dropout.studies.compare import compare_study
    from fashion_dropout.studies.scheduler import Scheduler

    try:
        with study_display() as shown:
            outcome = compare_study(
                declared,
                shown,
                workers=workers or None,
                scheduler=Scheduler.named(scheduler, wait_for_workers) if scheduler else None,
                fresh=fresh,
                data_dir=data_dir,
                experiment=experiment,
            )
    except (Interrupted, UndeliveredError) as stop:
        stop.add_note(
            "the same command, without --fresh, runs only what has no finished run of any call"
            if fresh
            else "the same command goes on with what is missing"
        )
        raise
    click.echo(f"\n{outcome.text}\n\n{_next_steps(outcome)}")
    if outcome.missing:
        sys.exit(ExitCode.INCOMPLETE)


def _next_steps(outcome: StudyOutcome) -> str:
    """What can be typed next; `promote` refuses a study that lacks runs."""
    promote = f"  to put its better model to use:    fashion-dropout promote {outcome.run_id}\n"
    return as_typed(
        f"study run {outcome.run_id}; next:\n"
        f"  to see its runs compared:          fashion-dropout ui\n"
        f"  to read it with all figures:       fashion-dropout report {outcome.run_id}\n"
        f"{'' if outcome.missing else promote}"
        f"  to repeat a run, bit for bit:      fashion-dropout verify <run id>"
    )


@click.command()
@click.argument("study")
@optional(
    "--pilot",
    help="A study of the same regimes, whose pairs show the spread: latest, its name, or its id.",
)
@click.option(
    "--sd",
    type=float,
    default=None,
    help="Standard deviation of the paired differences in the primary metric.",
)
@click.option(
    "--watts",
    type=float,
    default=10.0,
    help="Power of one core at work, in watts, for the energy on paper.",
)
@optional("--output", help="A PNG or SVG file to write the figure to.")
@language_option()
def plan(
    study: str,
    pilot: str | None,
    sd: float | None,
    watts: float,
    output: str | None,
    lang: Language,
) -> None:
    """Say how many seeds a study needs, before anything runs.

    STUDY is a TOML file. Shows, over the number of seeds, how probably the study shows its smallest
    difference of interest, and that there is none, with the time that it takes on this machine. How
    much pairs vary is known from a pilot study in MLflow, else from the published study. Ends with
    what the declared runs cost on 2, 16 and 256 cores.

    \b
    Examples:
      fashion-dropout plan experiments/dropout/full.toml --sd 0.01
      fashion-dropout plan experiments/dropout/quick.toml --pilot 0123456789abcdef0123456789abcdef
      fashion-dropout plan experiments/dropout/full.toml --output plan.svg
    """
    from fashion_dropout.config.study import read_study

    if not 0 < watts < math.inf:
        raise UsageError(f"--watts: expected a finite number above 0, received {watts:g}")
    declared = read_study(user_path(study))
    from fashion_dropout.studies.pilot import spread_of
    from fashion_dropout.studies.plan import Plan

    file = None
    if output is not None:
        file = writable(user_path(output))
        if file.suffix.lower() not in (".png", ".svg"):
            raise UsageError(f"--output: expected a .png or .svg file, received {visible(output)}")
    found = Plan(declared, spread_of(declared, pilot and run_of_study(pilot), sd), watts)
    click.echo(found.text)
    if file is not None:
        write_whole(file, found.figure(file.suffix.lower(), lang))
        click.echo(f"wrote {visible(str(file))}")


@click.command()
@click.argument("study", required=False)
@click.option("--port", type=WholeNumber(1, 65535), default=5000)
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
def ui(study: str | None, port: int, browser: bool) -> None:
    """Open MLflow's UI on the comparison of a study: the last one, or the one that STUDY names.

    STUDY is latest, the name of a study, or the id of its own run. The UI serves this machine only
    (127.0.0.1), on another port if the wanted one is taken, until Ctrl-C.

    \b
    Examples:
      fashion-dropout ui
      fashion-dropout ui quick
      fashion-dropout ui 0123456789abcdef0123456789abcdef --port 5001 --no-browser
    """
    from fashion_dropout.tracking.pages.serve import show_study

    show_study(study, port, browser, click.echo)
