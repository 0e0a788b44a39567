"""In what two runs differ."""

from __future__ import annotations

from fashion_dropout.sameness import NOTHING, changes


def test_changes_name_both_values_and_what_is_missing():
    then, now = {"kernels": "avx2", "cpu": "a", "code": "1"}, {"kernels": "avx512", "code": "1"}
    assert changes(then, now) == [("cpu", "a", NOTHING), ("kernels", "avx2", "avx512")]
    assert changes(then, now, ["code", "kernels"]) == [("kernels", "avx2", "avx512")]
    assert changes(then, then) == []
