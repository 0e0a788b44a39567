"""The verb ``predict``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from fashion_dropout import escapes
from fashion_dropout.commands.options import WholeNumber, language_option
from fashion_dropout.errors import UsageError

if TYPE_CHECKING:
    from fashion_dropout.prediction.pictures import Invert
    from fashion_dropout.prediction.tables import Format
    from fashion_dropout.texts import Language

_LONGEST_LIST = 2**24  # bytes


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--model",
    default="champion",
    help="An alias or a version of the registered model, the id of a run, models:/… or runs:/…; "
    "or a path, which has a / in it or ends in .keras: a model folder or a .keras file.",
)
@click.option(
    "--model-name",
    default="fashion-mnist-cnn",
    help="The registered model that an alias or a version belongs to.",
)
@click.option(
    "--top",
    type=WholeNumber(1, 10),
    default=1,
    help="How many classes to show for each image, the most probable first.",
)
@language_option("the class names")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="A table for people, or JSON or CSV for programs; JSON alone keeps every name as it is.",
)
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    help="Negate the grey values; auto: if the corners are light, but never in IDX files.",
)
@click.option(
    "--mc-dropout",
    "masks",
    type=WholeNumber(2, 10_000),
    metavar="MASKS",
    help="Average over this many dropout masks; shows mean and standard deviation.",
)
def predict(
    images: tuple[str, ...],
    model: str,
    model_name: str,
    top: int,
    lang: Language,
    form: Format,
    invert: Invert,
    masks: int | None,
) -> None:
    """Predict the class of images, and show how each image was prepared.

    IMAGES are PNG, JPEG, WebP, AVIF, GIF, BMP or IDX files, folders with such files, or - to read
    one path per line from standard input. What is no image in a folder is left out and counted.
    Each image is made grey and 28×28 on a dark background, as the dataset is; one that is 28×28
    keeps its pixels. Exit code 1: some files could not be read; the others are predicted.

    \b
    Examples:
      fashion-dropout predict shirt.png boots.jpg --top 3
      fashion-dropout predict photos --lang ja --format csv
      fashion-dropout predict t10k-images-idx3-ubyte.gz --model 3 --format json
      fashion-dropout predict shirt.png --model ./model.keras --mc-dropout 50
    """
    from fashion_dropout.prediction import predict as prediction
    from fashion_dropout.prediction import tables

    errors: list[str] = []

    def on_error(message: str) -> None:
        errors.append(message)
        click.echo(f"Error: {escapes.message(message)}", err=True)

    def say(message: str) -> None:
        click.echo(f"Note: {escapes.message(message)}", err=True)

    predictions = prediction.predict(
        _paths(images),
        on_error,
        say,
        model=model,
        model_name=model_name,
        invert=invert,
        masks=masks,
    )
    if predictions:
        records = tables.to_records(predictions, lang, top)
        click.echo(tables.format_records(records, form), nl=False)
    if errors:
        sys.exit(1)


def _paths(arguments: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == "-":
            listed = sys.stdin.buffer.read(_LONGEST_LIST + 1) if sys.stdin else b""
            if len(listed) > _LONGEST_LIST:
                raise UsageError(
                    f"expected at most {_LONGEST_LIST:,} bytes of paths on standard input, "
                    "received more; give them in parts"
                )
            # An empty list must not look like success, and an empty name is refused.
            yield from [os.fsdecode(line) for line in listed.splitlines() if line] or [""]
        else:
            yield argument
