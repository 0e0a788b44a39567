"""Write docs/reference.md and docs/reference.ja.md from the code.

    uv run python .ci/reference.py

Verbs, options and defaults are click's and MLproject's, keys of files are pydantic's, metrics and
exit codes the program's own. Everything is said in English there; reference.ja.toml beside this
script has the Japanese for each sentence, and a sentence without it is an error.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from fashion_dropout import errors
from fashion_dropout.cli import cli
from fashion_dropout.config import decision, metrics, promotion, study
from fashion_dropout.texts import LANGUAGES, Language, texts

ROOT = Path(__file__).resolve().parents[1]
JAPANESE = Path(__file__).with_name("reference.ja.toml")
PAGES = {"en": ROOT / "docs/reference.md", "ja": ROOT / "docs/reference.ja.md"}
ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]

Translate = Callable[[str], str]

VARIABLES = {
    "MLFLOW_TRACKING_URI": "The MLflow store. Default: `mlflow.db` and `mlruns/` of the working "
    "directory.",
    "MLFLOW_EXPERIMENT_NAME": "The MLflow experiment. Default: `fashion-mnist-dropout`; "
    "`mlflow run` sets its own.",
    "FASHION_MNIST_DIR": "The folder with the four archives of the dataset.",
    "FASHION_DROPOUT_STATE": "The folder of checkpoints and journals. Default: "
    "`~/.local/state/fashion-mnist-dropout`.",
    "TF_ENABLE_ONEDNN_OPTS": "0 leaves oneDNN's kernels off. Default: on, on every x86-64 CPU.",
    "ONEDNN_MAX_CPU_ISA": "The highest instruction set that oneDNN may use.",
}
FILES = {
    "`mlflow.db`, `mlruns/`": "The store, in the working directory, unless `MLFLOW_TRACKING_URI` "
    "names another.",
    "`report.html`": "What `report` writes; `--output` names another file.",
    "`~/.local/state/fashion-mnist-dropout`": "Checkpoints and journals of runs that have not "
    "ended; removed when they have.",
    "`~/.cache/fashion-mnist-dropout`": "The downloaded dataset, if the program is installed "
    "without a checkout.",
    "`experiments/<question>/<study>/`": "What `publish` writes: figures and `result.json`.",
}
SIGNALS = {
    129: "The terminal was closed (SIGHUP).",
    130: "Stopped by Ctrl-C (SIGINT).",
    143: "Stopped by SIGTERM.",
}


def page(language: Language) -> str:
    """The page in one language, Markdown."""
    japanese = tomllib.loads(JAPANESE.read_text(encoding="utf-8"))

    def translate(english: str) -> str:
        if language == "en" or not english:
            return english
        if english not in japanese:
            raise SystemExit(f"expected Japanese for {english!r} in {JAPANESE.name}")
        return str(japanese[english])

    other = "[日本語](reference.ja.md)" if language == "en" else "[English](reference.md)"
    parts = [
        f"# {translate('Reference')}",
        other,
        translate(
            "This page is generated from the code by `.ci/reference.py`. The same texts are in "
            "`uv run fashion-dropout --help` and `uv run fashion-dropout <command> --help`."
        ),
        f"## {translate('Commands')}",
        translate(
            "The second column is the name of the parameter under `mlflow run` "
            "(`-P dropout=0.5`), for the commands that are entry points of MLproject."
        ),
        *(part for verb in cli.commands.values() for part in _verb(verb, translate)),
        *_entry_points(translate),
        *_exit_codes(translate),
        *_keys(translate),
        *_metrics(translate, language),
        f"## {translate('Environment variables')}",
        _table(translate, ("variable", "meaning"), _explained(VARIABLES, translate, code=True)),
        f"## {translate('Files')}",
        _table(translate, ("file", "meaning"), _explained(FILES, translate)),
    ]
    return "\n\n".join(parts) + "\n"


def _verb(verb: click.Command, translate: Translate) -> Iterator[str]:
    assert verb.name and verb.help
    text, _, examples = inspect.cleandoc(verb.help).partition("\b\nExamples:\n")
    yield f"### {verb.name}"
    for paragraph in text.strip().split("\n\n"):
        yield translate(" ".join(paragraph.split()))
    context = click.Context(verb, info_name=f"fashion-dropout {verb.name}")
    usage = f"{context.command_path} {' '.join(verb.collect_usage_pieces(context))}"
    yield f"`{usage}`"
    passed = ENTRY_POINTS.get("main" if verb.name == "train" else verb.name, {})
    rows = [
        (
            f"`{_name(parameter, context)}`",
            f"`{parameter.name}`" if parameter.name in passed.get("parameters", {}) else "",
            _default(parameter, translate),
            _meaning(parameter, translate),
        )
        for parameter in verb.params
        if parameter.name != "help"
    ]
    if rows:
        yield _table(translate, ("option", "`mlflow run`", "default", "meaning"), rows)
    commands = "\n".join(f"uv run {line.strip()}" for line in examples.strip().splitlines())
    yield f"```console\n{commands}\n```"


def _name(parameter: click.Parameter, context: click.Context) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(context)
    return " ".join((*parameter.opts, *parameter.secondary_opts))


def _default(parameter: click.Parameter, translate: Translate) -> str:
    if parameter.required:
        return translate("required")
    default = parameter.to_info_dict()["default"]  # where click's own mark for none is None
    if default is None or default is False or default in ((), ""):
        return ""
    if isinstance(parameter, click.Option) and parameter.secondary_opts:
        return f"`{parameter.opts[0]}`"
    return f"`{default}`"


def _meaning(parameter: click.Parameter, translate: Translate) -> str:
    if not isinstance(parameter, click.Option):  # an argument, which the paragraph above explains
        return ""
    text, _, expected = (parameter.help or "").partition(" [")
    meaning = translate(text)
    if expected:
        meaning += f" [{translate(expected.removesuffix(']'))}]"
    if isinstance(parameter.type, click.Choice):
        meaning += f" [{', '.join(f'`{choice}`' for choice in parameter.type.choices)}]"
    return meaning


def _entry_points(translate: Translate) -> Iterator[str]:
    yield f"## {translate('Entry points of MLproject')}"
    rows = []
    for name in ENTRY_POINTS:
        verb = "train" if name == "main" else name
        parameters = ENTRY_POINTS[name]["parameters"]
        given = [f"{one}=…" for one, declared in parameters.items() if "default" not in declared]
        if parameters.get("study", {}).get("default") == "":  # which the command then asks for
            given.append("study=latest")
        words = ["uv run mlflow run . --env-manager local"]
        words += [] if name == "main" else [f"-e {name}"]
        words += [f"-P {one}" for one in given]
        rows.append((f"`{name}`", f"[{verb}](#{verb})", f"`{' '.join(words)}`"))
    yield _table(translate, ("entry point", "command", "call"), rows)


def _exit_codes(translate: Translate) -> Iterator[str]:
    yield f"## {translate('Exit codes')}"
    yield translate(
        "An error comes with one line on standard error: what was expected, what was received, "
        "what to do. The codes 3, 4 and 5 are results, which standard output shows."
    )
    tree = ast.parse(Path(inspect.getfile(errors)).read_text(encoding="utf-8"))
    (codes,) = [
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ExitCode"
    ]
    said = {0: "Done.", 1: "Failed.", 2: "A value that the user gave cannot be used."}
    for value, text in zip(codes.body, codes.body[1:], strict=False):
        if isinstance(value, ast.Assign) and isinstance(text, ast.Expr):
            assert isinstance(value.value, ast.Constant) and isinstance(text.value, ast.Constant)
            said[int(value.value.value)] = _plain(str(text.value.value))
    for kind in errors.FashionDropoutError.__subclasses__():
        if kind.exit_code not in said:
            said[kind.exit_code] = _plain(kind.__doc__ or "")
    assert {int(code) for code in errors.ExitCode} <= said.keys()
    said |= SIGNALS
    rows = [(f"{code}", translate(said[code])) for code in sorted(said)]
    yield _table(translate, ("exit code", "meaning"), rows)


def _keys(translate: Translate) -> Iterator[str]:
    yield f"## {translate('Keys of a study file')}"
    yield from _tables(
        translate,
        {"": study.Study, "[decision]": decision.Decision, "[promotion]": decision.Promotion},
    )
    yield translate(
        "`[base]` and `[regimes.<name>]` take the options of [train](#train), except `seed`, "
        "`dataset`, `split_seed` and `vary`, under the names of the second column. `threads`, "
        "`kernels` and `device` must be the same in all regimes."
    )
    yield f"## {translate('Keys of a promotion file')}"
    yield from _tables(
        translate,
        {
            "": promotion.Policy,
            "[floors]": promotion.Floors,
            "[against_champion]": promotion.AgainstChampion,
        },
    )


def _tables(translate: Translate, models: dict[str, type[BaseModel]]) -> Iterator[str]:
    rows = []
    for table, model in models.items():
        for name, field in model.model_fields.items():
            tabled = f"[{name}]" in models
            key = f"`[{name}]`" if tabled else f"`{table} {name}`".replace("` ", "`")
            default = (
                "" if field.default in ({}, (), "") or tabled else _value(field.default, translate)
            )
            rows.append((key, default, translate(_plain(field.description or ""))))
    yield _table(translate, ("key", "default", "meaning"), rows)


def _value(default: Any, translate: Translate) -> str:
    if default is PydanticUndefined:
        return translate("required")
    if isinstance(default, tuple):
        return " ".join(f"`{one}`" for one in default)
    return f"`{default}`"


def _metrics(translate: Translate, language: Language) -> Iterator[str]:
    yield f"## {translate('Metrics of a study')}"
    yield translate(
        "Metrics that a study can compare. Only metrics of the validation split can be guards."
    )
    names = texts(language)["metrics"]
    rows = [
        (
            f"`{metric}`",
            names[metric].removeprefix("the "),
            translate(direction),
            translate("yes") if metric in metrics.GUARDS else "",
        )
        for metric, direction in metrics.COMPARED.items()
    ]
    yield _table(translate, ("metric", "meaning", "better", "guard"), rows)


def _explained(
    said: dict[str, str], translate: Translate, *, code: bool = False
) -> list[tuple[str, str]]:
    return [(f"`{name}`" if code else name, translate(text)) for name, text in said.items()]


def _plain(text: str) -> str:
    """One line of Markdown from a docstring."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))


def _table(translate: Translate, head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = [one if one.startswith("`") else translate(one) for one in head]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


if __name__ == "__main__":
    for language in LANGUAGES:
        PAGES[language].write_text(page(language), encoding="utf-8")
