"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from fashion_dropout.config.training import TrainingConfig, expected, parse_parameter
from fashion_dropout.errors import UsageError
from fashion_dropout.files import user_path


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


def _given(context: click.Context, parameter: click.Parameter, value: str) -> str | None:
    return value or None


def optional(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that may be left out: the verb receives None.

    MLproject passes every parameter, so an empty text means “not given” too.
    """
    return click.option(*names, default="", callback=_given, **settings)


def _folder(context: click.Context, parameter: click.Parameter, value: str) -> Path | None:
    return user_path(value) if value else None


data_dir_option = click.option(
    "--data-dir",
    default="",
    callback=_folder,
    help="Folder with the four archives of Fashion-MNIST. Default: the folder that "
    "FASHION_MNIST_DIR names, else data/fashion-mnist of the checkout, else the user's cache, "
    "filled by a download.",
)

experiment_option = optional(
    "--experiment-name",
    "experiment",
    help="MLflow experiment. Default: MLflow's own variables, else fashion-mnist-dropout.",
)
