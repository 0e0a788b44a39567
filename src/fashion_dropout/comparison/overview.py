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

    Args:
        key: What is compared.
        table: See `summary.summary_table` and `summary.deciding_rows`.
        notes: See `summary.table_notes`.
        statements: The sentence of each verdict, then what stands beside them.
        warnings: What else a reader must know.
        missing: Cell → why it has no finished run.
        verdicts: How many of the statements are verdicts.
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
