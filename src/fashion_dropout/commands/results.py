"""What studies have found: ``studies``, ``report``, ``variance``, ``export``, ``publish``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from fashion_dropout.commands.options import given, language_option, optional, run_of_study
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import visible
from fashion_dropout.files import user_path, writable, write_whole
from fashion_dropout.texts import Language


@click.command()
def studies() -> None:
    """List the studies of the store, the newest first.

    Each has a line: its verdict, how many of its pairs were compared, when it was begun, how long
    it ran, its state, the id of its own run, and its question.

    \b
    Examples:
      fashion-dropout studies
    """
    from fashion_dropout.studies.overview import describe_studies

    click.echo(describe_studies(), nl=False)


@click.command()
@click.argument("study", default="")
@language_option()
@click.option("--output", default="report.html", help="The HTML file to write.")
@optional(
    "--index",
    metavar="FOLDER",
    help="Write the report of every study of the store into this folder, and a page with links to "
    "them; instead of STUDY and --output.",
)
@click.pass_context
def report(
    context: click.Context, /, study: str, lang: Language, output: str, index: str | None
) -> None:
    """Build the report of a study, one HTML file, from its records in MLflow.

    STUDY is latest, the name of a study, or the id of its own run; `studies` lists them.

    \b
    Examples:
      fashion-dropout report latest
      fashion-dropout report quick --lang ja --output report.ja.html
      fashion-dropout report 0123456789abcdef0123456789abcdef
      fashion-dropout report --index reports
    """
    if bool(study) == (index is not None):
        received = "both" if study else "neither"
        raise UsageError(
            f"expected either STUDY or --index, received {received}; `fashion-dropout report "
            "latest` writes the report of the last study"
        )
    if index is not None:
        if "output" in given(context, {"output": output}) and "MLFLOW_RUN_ID" not in os.environ:
            raise UsageError("expected either --index or --output, received both")
        from fashion_dropout.studies.index import write_index

        for path in write_index(user_path(index), lang, _warn):
            click.echo(f"wrote {visible(str(path))}")
        return
    from fashion_dropout.studies.report import write_report

    if output == "-":
        raise UsageError(
            "expected the name of a file for the report, received -; name one, such as report.html"
        )
    path = writable(user_path(output).absolute())  # before a store is asked
    size = write_report(run_of_study(study), lang, path, _warn)
    click.echo(f"wrote {visible(str(path))}, {size / 2**20:.1f} MiB; open it in any browser")
    if "MLFLOW_RUN_ID" in os.environ:
        from fashion_dropout.tracking.recording.launched import keep_with_launched_run

        if run_id := keep_with_launched_run(path):
            click.echo(f"kept as an artifact of run {run_id}, too")


@click.command()
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@language_option()
@click.option("--output", default="variance.html", help="The HTML file to write.")
def variance(studies: tuple[str, ...], lang: Language, output: str) -> None:
    """Say where the spread between seeds comes from, by studies that differ only in vary.

    Each STUDY is latest, the name of a study, or the id of its own run; one of them varies all that
    the others vary. Prints, for each regime and for the paired difference, the standard deviation
    by what moves and its share of the variance, and writes the same as a page with a figure.

    \b
    Examples:
      fashion-dropout variance variance-init variance-order variance-all
      fashion-dropout variance variance-split variance-all --lang ja --output variance.ja.html
    """
    from fashion_dropout.studies.variance import read_variance

    if output == "-":
        raise UsageError("expected the name of a file for the page, received -; name one")
    path = writable(user_path(output).absolute())  # before a store is asked
    found = read_variance([run_of_study(named) for named in studies], _warn)
    size = write_whole(path, found.page(lang).encode())
    click.echo(f"{found.text()}\n\nwrote {visible(str(path))}, {size / 2**20:.1f} MiB")


@click.command()
@click.argument("study")
@click.option("--to", "folder", required=True, metavar="FOLDER", help="The folder to write.")
@language_option()
def export(study: str, folder: str, lang: Language) -> None:
    """Write a study for a paper: figures, tables and methods, from its records in MLflow.

    STUDY is latest, the name of a study, or the id of its own run. The folder gets every figure as
    PDF and SVG, tables for LaTeX and as CSV with every value, the methods and results in words, the
    references, and SHA256SUMS. A second export has the same bytes. It replaces an export that
    nobody has changed, and no other files.

    \b
    Examples:
      fashion-dropout export latest --to paper
      fashion-dropout export full --to paper-ja --lang ja
    """
    from fashion_dropout.studies.export import export_study, usable

    to = user_path(folder).absolute()
    place = usable(to)  # before a store is asked
    names = export_study(run_of_study(study), place, lang, _warn)
    click.echo(f"wrote {len(names)} files into {visible(str(to))}; begin with paper.tex")


@click.command()
@click.argument("folder")
@optional("--study", help="The study to publish: latest, its name, or the id of its own run.")
@click.option(
    "--check", is_flag=True, help="Change nothing; say whether the published files match the study."
)
def publish(folder: str, study: str | None, check: bool) -> None:
    """Write a study's figures and numbers next to its file, and into the pages that show them.

    FOLDER is the folder of the study file, e.g. experiments/dropout. With --check, compare the
    published files with the study file and the pages; exit code 1 if something has changed since.

    \b
    Examples:
      fashion-dropout publish experiments/dropout --study full
      fashion-dropout publish experiments/dropout --check
    """
    if check == (study is not None):
        raise click.UsageError("expected either --study or --check")
    from fashion_dropout.studies.publish import check as checked

    if study is None:
        for key in checked(Path(folder)):
            click.echo(f"{key}: the published files match it")
        return
    from fashion_dropout.studies.publish import publish_study

    for path in publish_study(run_of_study(study), Path(folder), _warn):
        click.echo(f"wrote {visible(str(path.absolute()))}")


def _warn(line: str) -> None:
    click.echo(f"warning: {visible(line)}", err=True)
