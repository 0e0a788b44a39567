"""The entries of a run's journal: what they are, and which of them one request can take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fashion_dropout.escapes import brief

Entry = dict[str, Any]
"""JSON: its ``kind``, its ``time`` in milliseconds since 1970, and what there is to deliver."""

OF_A_BATCH = ("metrics", "tags", "params")
_KINDS = frozenset({*OF_A_BATCH, "input", "artifacts", "model", "end"})
_BATCH = 100  # what MLflow's server takes of tags or parameters at once; of metrics it takes more


def parsed(line: bytes) -> Entry:
    """An entry of a kind that can be delivered: what is not understood must not count as such."""
    entry = json.loads(line)
    if not isinstance(entry, dict) or entry.get("kind") not in _KINDS:
        raise ValueError(f"an entry of an unknown kind: {brief(line.decode(errors='replace'))}")
    return entry


def together(waiting: Iterable[Entry]) -> list[Entry]:
    """The first of the entries that wait, with those behind it that one request can take."""
    taken, size, kinds = list[Entry](), 0, set[str]()
    for entry in waiting:
        kind = entry["kind"]
        size += len(entry[kind]) if kind in OF_A_BATCH else 1
        if taken and (kind not in kinds or size > _BATCH):
            break
        kinds = {*OF_A_BATCH} if kind in OF_A_BATCH else {kind} & {"input"}
        taken.append(entry)
    return taken
