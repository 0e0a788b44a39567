"""Every question to MLflow is bounded in time, and what goes wrong is one line."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from conftest import ROOT
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.tracking.store.calls import asks_mlflow
from fashion_dropout.tracking.store.timeouts import NoAnswerError

SOURCE = ROOT / "src/fashion_dropout"
QUESTIONS = {name for name in dir(mlflow.MlflowClient) if not name.startswith("_")} | {
    "download_artifacts",
    "list_artifacts",
    "load_text",
}
SETTINGS = {"get_tracking_uri", "set_tracking_uri", "get_registry_uri"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def chain(node: ast.expr) -> str:
    """``mlflow.artifacts.load_text`` of its node; calls on the way are left out."""
    if isinstance(node, ast.Attribute):
        return f"{chain(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return chain(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def is_question(call: ast.Call) -> bool:
    *receiver, name = chain(call.func).split(".")
    asked = ".".join(receiver)
    return name in QUESTIONS - SETTINGS and asked.removeprefix("self.").lstrip("_").split(".")[
        0
    ] in ("mlflow", "client")


def names(node: ast.AST) -> set[str]:
    """The names that a piece of code uses, those of attributes among them."""
    return {
        inner.id if isinstance(inner, ast.Name) else inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name | ast.Attribute)
    }


def own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, FUNCTIONS):
            yield child
            yield from own(child)


Function = tuple[str, str]  # its file and its name


def unbounded() -> list[str]:
    """The functions that ask MLflow without a bound.

    Bounded is what has the decorator, and what is called only by what is bounded, or inside of what
    is given to `bounded` or to the decorator. A name means the function of its own file, else all
    functions of that name.
    """
    functions: dict[Function, ast.AST] = {}
    covered: set[Function] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, FUNCTIONS):
                function = str(path.relative_to(SOURCE)), node.name
                functions[function] = node
                if any("asks" in "".join(names(one)) for one in node.decorator_list):
                    covered.add(function)
    named: dict[str, list[Function]] = {}
    for function in functions:
        named.setdefault(function[1], []).append(function)
    asking: set[Function] = set()
    callers: dict[Function, set[Function]] = {}
    for function, body in functions.items():
        given = {
            inner
            for node in own(body)
            if isinstance(node, ast.Call) and chain(node.func) in ("bounded", "asks_mlflow")
            for argument in node.args
            for inner in ast.walk(argument)
        }
        for node in own(body):
            bound = node in given
            if isinstance(node, ast.Call) and is_question(node) and not bound:
                asking.add(function)
            name = called(node, bound)
            own_file = {(function[0], name)} & functions.keys()
            for callee in own_file or named.get(name, ()):
                callers.setdefault(callee, set())
                if not bound:
                    callers[callee].add(function)
    grown = True
    while grown:
        found = {callee for callee, by in callers.items() if by - {callee} <= covered}
        grown = not found <= covered
        covered |= found
    return sorted(f"{file}: {name}" for file, name in asking - covered)


def called(node: ast.AST, bound: bool) -> str:
    """The name that a node calls; what is given to `bounded` is called there."""
    if isinstance(node, ast.Call):
        return chain(node.func).rpartition(".")[2]
    return node.id if bound and isinstance(node, ast.Name) else ""


def test_every_function_that_asks_mlflow_is_bounded():
    assert unbounded() == []


def test_the_search_for_unbounded_functions_finds_them(monkeypatch):
    """Without the decorator on one function, and without the bound around another one."""
    read = type(SOURCE).read_text
    changed = {
        "@asks_mlflow()\ndef get_run(": "def get_run(",
        "bounded(lambda: ask_for_models(client, uri), QUESTION_SECONDS)": "ask_for_models(client)",
    }

    def without(path, *args, **kwargs):
        text = read(path, *args, **kwargs)
        for before, after in changed.items():
            text = text.replace(before, after)
        return text

    monkeypatch.setattr(type(SOURCE), "read_text", without)
    assert unbounded() == [
        "tracking/reading/queries.py: get_run",
        "tracking/store/connect.py: ask_for_models",
    ]


def test_who_does_not_answer_is_given_up():
    @asks_mlflow(seconds=0.1)
    def silent() -> None:
        time.sleep(5)

    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"MLflow has not answered within 0\.1 s"):
        silent()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "raised",
    [
        MlflowException("the\nreason"),
        OperationalError("SELECT 1", {}, Exception("the reason")),
        requests.ConnectionError("the reason"),
    ],
)
def test_what_mlflow_raises_is_one_line(raised):
    @asks_mlflow()
    def refusing() -> None:
        raise raised

    with pytest.raises(TrackingError, match=r"^MLflow refused or went away: .*the reason$"):
        refusing()

    @asks_mlflow(expected=lambda: "a registry")
    def registry() -> None:
        raise raised

    with pytest.raises(TrackingError, match=r"^expected a registry, received: .*the reason$"):
        registry()


@pytest.mark.parametrize("raised", [UsageError("ours"), FileNotFoundError("of a file")])
def test_other_errors_stay_what_they_are(raised):
    @asks_mlflow()
    def other() -> None:
        raise raised

    with pytest.raises(type(raised)) as found:
        other()
    assert found.value is raised
