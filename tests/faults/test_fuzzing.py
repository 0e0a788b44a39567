"""A few made-up inputs for each reader; ``benchmarks/fuzz.py`` tries many."""

from __future__ import annotations

import pytest

from fuzzing import TARGETS, fuzz


@pytest.mark.parametrize("target", TARGETS)
def test_what_comes_from_outside_is_read_or_refused_in_one_line(target):
    fuzz(target, 60)
