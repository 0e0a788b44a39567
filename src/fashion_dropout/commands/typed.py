"""Commands in messages, as they are typed where this program was started."""

from __future__ import annotations

import os
import re

_UNDER_UV = "UV_RUN_RECURSION_DEPTH"  # uv sets it for what it runs
_COMMAND = re.compile(r"(?:(?<=`)|(?<=: )|(?<= {2}))fashion-dropout(?= [a-z])")


def as_typed(text: str) -> str:
    """The text, with `uv run` before each command of this program if it was started so.

    A command in it stands in backquotes, after a colon, or in a column of its own.
    """
    return _COMMAND.sub("uv run fashion-dropout", text) if _UNDER_UV in os.environ else text
