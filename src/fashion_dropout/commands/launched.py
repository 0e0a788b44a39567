"""Names of parameters under ``mlflow run``, which turns ``-P name=value`` into ``--name value``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

import click

from fashion_dropout.errors import UsageError
from fashion_dropout.escapes import brief

_ENTRY_POINTS = ("train", "compare", "report", "promote", "verify")
"""The verbs that MLproject calls."""


class Verbs(click.Group):
    """The verbs; under ``mlflow run``, with a check of the names of their parameters."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, verb, rest = super().resolve_command(ctx, args)
        if verb and name in _ENTRY_POINTS and os.environ.get("MLFLOW_RUN_ID"):
            _check_names(verb, rest)
        return name, verb, rest


def _check_names(verb: click.Command, words: Iterable[str]) -> None:
    """Refuse a parameter that MLproject does not declare, and say which name to write.

    MLflow passes it on behind those that MLproject declares, and records it beside them:
    ``-P learning-rate=0.01`` is ``--learning-rate`` a second time.
    """
    options = {name for of in verb.params if isinstance(of, click.Option) for name in of.opts}
    options.add("--help")  # which click adds itself
    declared = [str(of.name) for of in verb.params if isinstance(of, click.Argument)]
    for word in words:
        option = word.partition("=")[0]
        if not option.startswith("--"):
            continue
        typed = option.removeprefix("--")
        name = typed.replace("-", "_")
        if option in options and name not in declared:
            declared.append(name)
            continue
        close = difflib.get_close_matches(name.lower(), declared, n=1)
        raise UsageError(
            f"expected a parameter of MLproject ({', '.join(declared)}), received {brief(typed)}"
            + (f"; write {close[0]}" if close else "; leave it out")
        )
