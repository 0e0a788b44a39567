"""A study of two regimes, as the text of its file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_DECISION = {
    "primary": "gap/loss",
    "direction": "lower",
    "smallest_difference": 0.02,
    "alpha": 0.05,
    "baseline": "none",
}


def study_text(
    name: str,
    seeds: Sequence[int],
    base: Mapping[str, Any],
    decision: Mapping[str, Any] | None = None,
    undecided: str = "simpler",
    dataset: str = "synthetic",
) -> str:
    """The text of a study file.

    Args:
        name: Of the study.
        seeds: Its seeds.
        base: The parameters that both regimes share.
        decision: Keys of the rule that are to be others.
        undecided: What is offered to the registry when the verdict names no regime.
        dataset: `synthetic`, or `idx` for images of the test's own.
    """
    tables = {
        "base": base,
        "regimes.none": {"dropout": 0.0},
        "regimes.dropout": {"dropout": 0.5},
        "decision": _DECISION | dict(decision or {}),
        "promotion": {"undecided": undecided},
    }
    top = {"name": name, "question": "?", "dataset": dataset, "seeds": list(seeds)}
    parts = [_assigned(top), *(f"[{at}]\n{_assigned(of)}" for at, of in tables.items())]
    return "\n".join(parts)


def _assigned(table: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
