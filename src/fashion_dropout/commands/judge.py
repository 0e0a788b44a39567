"""Numbers of any program, compared as a study is: ``judge``."""

from __future__ import annotations

import math
from typing import Any

import click

from fashion_dropout.commands.options import language_option, optional
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, visible
from fashion_dropout.files import user_path
from fashion_dropout.texts import Count, Language


def _looks(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(pairs) for pairs in value.split(",")) if value else ()
    except ValueError as error:
        raise UsageError(
            f"--looks: expected numbers of pairs such as 7,10,16, received {brief(value)}"
        ) from error


def _guards(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    guards: dict[str, float] = {}
    for value in values:
        metric, _equals, margin = value.rpartition("=")
        try:
            harm = float(margin)
        except ValueError:
            harm = math.nan
        if not metric or not 0 < harm < math.inf or guards.get(metric, harm) != harm:
            raise UsageError(
                "--guard: expected a metric and the one harm that would matter, such as "
                f"val/accuracy=0.003, received {brief(value)}"
            )
        guards[metric] = harm
    return guards


def _told(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Metric → direction; the primary one has an empty name."""
    found: dict[str, Any] = {}
    for value in values:
        metric, _equals, direction = value.rpartition("=")
        if direction not in ("lower", "higher") or found.get(metric, direction) != direction:
            raise UsageError(
                "--direction: expected lower or higher for the primary metric, or such as "
                f"accuracy=higher for another, received {brief(value)}"
            )
        found[metric] = direction
    return found


@click.command()
@click.argument("table")
@click.option("--baseline", required=True, help="The regime that all others are compared with.")
@click.option("--metric", required=True, help="The primary metric, which decides.")
@click.option(
    "--smallest-difference",
    type=float,
    required=True,
    help="The smallest difference of interest in the primary metric, in its unit.",
)
@click.option(
    "--direction",
    "directions",
    multiple=True,
    metavar="[METRIC=]lower|higher",
    callback=_told,
    help="Which values are better; of the primary metric, or of the one that is given. Metrics of "
    "this program have their own.",
)
@click.option("--alpha", type=float, default=0.05, help="The level of significance.")
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="METRIC=MARGIN",
    callback=_guards,
    help="A metric that must not get worse, with the harm that would matter; may be repeated.",
)
@click.option(
    "--secondary",
    multiple=True,
    metavar="METRIC",
    help="Another metric to report, which does not decide; may be repeated. Default: all others.",
)
@click.option(
    "--looks",
    metavar="N,N,…",
    callback=_looks,
    help="Numbers of pairs, in the order of the seeds, at which the result was looked at.",
)
@optional("--seed-column", help="Column of the seeds, if it is not seed, params.seed or tags.seed.")
@optional(
    "--regime-column",
    help="Column of the regimes, if it is not regime, tags.regime or params.regime.",
)
@optional(
    "--output",
    help="An .html file for the report, or a new folder for report, figures and numbers. Default: "
    "only the table and the verdict are shown.",
)
@language_option("the report")
def judge(
    table: str,
    baseline: str,
    metric: str,
    smallest_difference: float,
    directions: dict[str, Any],
    alpha: float,
    guards: dict[str, float],
    secondary: tuple[str, ...],
    looks: tuple[int, ...],
    seed_column: str | None,
    regime_column: str | None,
    output: str | None,
    lang: Language,
) -> None:
    """Compare anybody's numbers as a study, with the same table, verdict, figures and report.

    TABLE is a CSV or Parquet file with the columns seed, regime, metric, value and perhaps epoch,
    one row a value; or the file that `mlflow experiments csv` writes. No MLflow store is read.

    \b
    Examples:
      fashion-dropout judge results.csv --baseline none --metric val/loss --smallest-difference 0.01
      fashion-dropout judge r.csv --baseline a --metric ce --direction lower --smallest-difference 1
    """
    from fashion_dropout.comparison.judging import judge as judged_by
    from fashion_dropout.comparison.tables import read_table
    from fashion_dropout.studies.judged import place, write_judged

    file = place(user_path(output).absolute()) if output is not None else None
    read = read_table(table, seed_column=seed_column, regime_column=regime_column)
    if read.left_out:
        click.echo(
            f"note: left out: {Count(read.left_out):run|runs} that had not finished, or without "
            "regime or seed",
            err=True,
        )
    direction = directions.pop("", None)
    if direction and directions.get(metric, direction) != direction:
        raise UsageError(
            f"--direction: expected one direction of {brief(metric)}, received {direction} and "
            f"{directions[metric]}"
        )
    found = judged_by(
        read,
        baseline=baseline,
        metric=metric,
        smallest_difference=smallest_difference,
        direction=direction,
        alpha=alpha,
        secondary=secondary or None,
        guards=guards,
        looks=looks,
        directions=directions,
    )
    click.echo(found.text)
    if file is not None:
        written = write_judged(found, file, lang)
        click.echo(f"wrote {visible(str(written[0] if len(written) == 1 else file))}")
