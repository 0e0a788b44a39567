"""The candidate of real studies."""

from __future__ import annotations

import pytest

from fashion_dropout.errors import UsageError
from fashion_dropout.promotion.candidate import read_candidate

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]


def test_of_two_runs_the_one_with_the_higher_loss_is_the_candidate(studies, client):
    candidate = read_candidate(studies.strong)
    runs = candidate.record.runs
    losses = runs[runs["regime"] == candidate.choice.regime]["best/val_loss"]
    assert candidate.choice.regime == "none"
    assert candidate.run.data.metrics["best/val_loss"] == losses.max()


def test_an_unfinished_study_is_refused(studies, client):
    candidate = read_candidate(studies.weak)
    client.set_terminated(candidate.run.info.run_id, "FAILED")
    with pytest.raises(
        UsageError, match=r"expected a finished study, received \S+ with 1 of 4 cells without"
    ):
        read_candidate(studies.weak)
    client.set_terminated(studies.strong, "KILLED")
    with pytest.raises(
        UsageError, match=r"expected a finished study, received \S+ with status KILLED;"
    ):
        read_candidate(studies.strong)


def test_a_run_that_is_not_a_study_is_refused(studies, client):
    with pytest.raises(UsageError, match="expected the id of a run"):
        read_candidate("0" * 32)
    with pytest.raises(UsageError, match="expected the run of a study"):
        read_candidate(read_candidate(studies.weak).run.info.run_id)
