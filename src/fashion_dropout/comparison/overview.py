"""A comparison as a terminal shows it: the table, the verdicts, what else a reader must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from fashion_dropout.escapes import visible
from fashion_dropout.plain_table import plain_table


def overview(
    key: str,
    table: pd.DataFrame,
    notes: Sequence[str],
    statements: Sequence[str],
    warnings: Sequence[str],
    missing: Mapping[str, str],
    verdicts: int,
) -> str:
    """The text, lines for a person.

    Table and notes are those of `summary`. The statements are the sentences of so many verdicts,
    then what stands beside them; `missing` is cell → why it has no finished run.
    """
    lines = [
        f"{visible(key)}: mean [95 % CI] of each regime, difference over pairs of a seed",
        plain_table([list(table.columns), *table.to_numpy().tolist()]).rstrip("\n"),
        *notes,
        "",
        *(f"verdict: {visible(sentence)}" for sentence in statements[:verdicts]),
        *(f"note: {visible(sentence)}" for sentence in statements[verdicts:]),
        *(f"warning: {visible(warning)}" for warning in warnings),
        *(f"missing: {cell}: {visible(reason)}" for cell, reason in missing.items()),
    ]
    return "\n".join(lines)
