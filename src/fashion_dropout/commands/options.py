"""Options that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

import click

from fashion_dropout.config.training import TrainingConfig, expected, parse_parameter
from fashion_dropout.config.values import as_meant, experiment_name
from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief, visible
from fashion_dropout.files import user_path

_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


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
            help=f"{field.description} [{expected(name)}]",
        )(command)
    return command


def optional(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that may be left out: the verb receives None.

    MLproject passes every parameter, so an empty text means “not given” too.
    """
    settings = {"callback": lambda _, __, value: value or None, **settings}
    return click.option(*names, default="", show_default=False, **settings)


def given(context: click.Context, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the user has written, defaults left out."""
    default = click.core.ParameterSource.DEFAULT
    return {
        name: value
        for name, value in parameters.items()
        if context.get_parameter_source(name) is not default
    }


class WholeNumber(click.IntRange):
    """A whole number within limits, also as programs write it, such as ``2.0``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(as_meant(value), param, ctx)


class WithSwitches(click.Command):
    """A verb whose switches may stand alone, as people write them, or with ``yes`` or ``no``, as
    MLproject passes them.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        switches = {name for of in self.params if isinstance(of.type, _Switch) for name in of.opts}
        takes_words = any(isinstance(of, click.Argument) for of in self.params)

        def alone(following: str) -> bool:
            return following.startswith("-") or (takes_words and not _Switch.is_value(following))

        words = [
            f"{word}=yes" if word in switches and alone(following) else word
            for word, following in zip(args, [*args, "-"][1:], strict=True)
        ]
        return super().parse_args(ctx, words)


class _Switch(click.ParamType[Any]):
    name = "switch"

    @staticmethod
    def is_value(word: str) -> bool:
        return word.lower() in (*_YES, *_NO, "", "none", "null")  # the last two get their error

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "[yes|no]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value.lower() not in (*_YES, *_NO, ""):
            self.fail(
                f"expected yes or no ({', '.join(_YES[1:])}; {', '.join(_NO[1:])}), received "
                f"{value!r}",
                param,
                ctx,
            )
        return value.lower() in _YES


def switch(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A switch of a verb of the class `WithSwitches`."""
    return click.option(*names, type=_Switch(), default="no", show_default=False, **settings)


data_dir_option = optional(
    "--data-dir",
    callback=lambda _, __, value: user_path(value) if value else None,
    help="Folder with the four archives of Fashion-MNIST. Default: FASHION_MNIST_DIR, else "
    "data/fashion-mnist of the checkout, else the user's cache, filled by a download. For the "
    "dataset idx, which needs it: folder or .npz file of your own images.",
)


def _experiment(_: click.Context, __: click.Parameter, value: str) -> str | None:
    """The name, if one is given. Under ``mlflow run`` the run is in its experiment already."""
    if value and os.environ.get("MLFLOW_RUN_ID"):
        raise UsageError(
            f"expected under `mlflow run` no --experiment-name of the program, received "
            f"{brief(value)}; write `mlflow run --experiment-name`, without -P, or unset "
            "MLFLOW_RUN_ID if it was left over"
        )
    return experiment_name(value) if value else None


experiment_option = optional(
    "--experiment-name",
    "experiment",
    callback=_experiment,
    help="MLflow experiment. Default: MLflow's own variables, else fashion-mnist-dropout.",
)


def language_option(
    of: str = "what is written",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The language of something."""
    return click.option(
        "--lang", type=click.Choice(["en", "ja"]), default="en", help=f"Language of {of}."
    )


def run_of_study(named: str) -> str:
    """The run of the study that a user names, in the store that is there; see `named_study`."""
    from fashion_dropout.tracking.reading.studies import named_study
    from fashion_dropout.tracking.store.connect import connect_to_existing

    connect_to_existing()
    return named_study(named, lambda line: click.echo(f"note: {visible(line)}", err=True))
