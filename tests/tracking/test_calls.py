"""Every question to MLflow is bounded in time, and what goes wrong is one line."""

from __future__ import annotations

import ast
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import reduce

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


def unbounded() -> list[str]:
    """The functions that ask MLflow without a bound.

    Bounded is what has the decorator, what is given to it or to `bounded`, and what only bounded
    functions call.
    """
    asking: dict[str, str] = {}
    users: dict[str, set[str]] = defaultdict(set)
    covered: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)):
            if any("asks" in "".join(names(one)) for one in function.decorator_list):
                covered.add(function.name)
            for node in own(function):
                if not isinstance(node, ast.Call):
                    continue
                users[chain(node.func).rpartition(".")[2]].add(function.name)
                if is_question(node):
                    asking[function.name] = f"{path.relative_to(SOURCE)}: {function.name}"
                if chain(node.func) in ("bounded", "asks_mlflow"):
                    given = reduce(set.union, map(names, node.args), set())
                    covered |= given
    grown = True
    while grown:
        found = {name for name, by in users.items() if by - {name} and by - {name} <= covered}
        grown = not found <= covered
        covered |= found
    return sorted(where for name, where in asking.items() if name not in covered)


def test_every_function_that_asks_mlflow_is_bounded():
    assert unbounded() == []


def test_the_search_for_unbounded_functions_finds_them(monkeypatch):
    """Without the decorator on one function, that one is found."""
    read = type(SOURCE).read_text

    def without(path, *args, **kwargs):
        text = read(path, *args, **kwargs)
        return text.replace("@asks_mlflow()\ndef get_run(", "def get_run(")

    monkeypatch.setattr(type(SOURCE), "read_text", without)
    assert unbounded() == ["tracking/reading/queries.py: get_run"]


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
