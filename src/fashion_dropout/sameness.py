"""Are two runs the same? One answer for cells, continued runs, repetitions and pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

NOTHING = "nothing"
"""What stands for a value that is not recorded."""


class Change(NamedTuple):
    """Something in which two runs differ: its name, and both values."""

    name: str
    then: str
    now: str


def changes(
    then: Mapping[str, str], now: Mapping[str, str], names: Iterable[str] | None = None
) -> list[Change]:
    """In what two runs differ, each given as name → what it has recorded: in `names`, or, where
    these are None, in all that either has, sorted.
    """
    compared = sorted(then.keys() | now.keys()) if names is None else names
    return [
        Change(name, then.get(name, NOTHING), now.get(name, NOTHING))
        for name in compared
        if then.get(name) != now.get(name)
    ]
