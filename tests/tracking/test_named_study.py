"""Which study a user means: the last one, a name, a key, or the id of its run."""

from __future__ import annotations

from dataclasses import dataclass, field

import mlflow
import pytest

from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.reading.studies import earlier_study_run, named_study
from fashion_dropout.tracking.store import tags

OLD, NEW = "quick-0123456789ab", "quick-ba9876543210"


@dataclass
class Recorded:
    """Studies that were recorded a second apart, each as its own run only."""

    runs: list[str] = field(default_factory=list)

    def study(self, key: str, status: str = "FINISHED", missing: str = "") -> str:
        client = mlflow.MlflowClient()
        recorded = {tags.ROLE: tags.STUDY_RUN, tags.STUDY: key, tags.MISSING: missing}
        start = 1_700_000_000_000 + 1000 * len(self.runs)
        run_id = client.create_run("0", start_time=start, tags=recorded).info.run_id
        if status != "RUNNING":
            client.set_terminated(run_id, status, end_time=start + 500)
        self.runs.append(run_id)
        return run_id


@pytest.fixture
def recorded(store: str) -> Recorded:
    mlflow.set_experiment("fashion-mnist-dropout")
    mlflow.MlflowClient().create_experiment("another")
    return Recorded()


def test_every_way_to_name_a_study_leads_to_its_run(recorded):
    first = recorded.study(OLD)
    other = recorded.study("sweep-0123456789ab")
    said: list[str] = []
    for named in (first, OLD, "quick"):
        assert named_study(named, said.append) == first
    assert said == []  # nothing was left open
    assert named_study("latest", said.append) == other
    assert said == [f"latest is sweep-0123456789ab, run {other}"]


def test_of_one_name_the_newest_finished_study_is_meant_and_said(recorded):
    recorded.study(OLD)
    finished = recorded.study(NEW)
    recorded.study(NEW, missing="none-seed1")
    recorded.study(NEW, "KILLED")
    running = recorded.study(OLD, "RUNNING")
    said: list[str] = []
    assert named_study("quick", said.append) == finished
    assert said == [
        f"5 runs of studies are called quick; taken is the newest finished: {NEW}, run {finished}"
    ]
    assert named_study("latest", said.append) == running


def test_of_studies_that_have_not_finished_the_newest_is_meant(recorded):
    recorded.study(OLD, "FAILED")
    newest = recorded.study(OLD, "KILLED")
    said: list[str] = []
    assert named_study("quick", said.append) == newest
    assert "taken is the newest, as none has finished" in said[0]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("quik", "received 'quik'; did you mean 'quick'?"),
        ("the-latest", "did you mean 'latest'?"),
        ("0123", "received '0123'; `fashion-dropout studies` lists them"),
        ("quick' or tags.role = 'run", "`fashion-dropout studies` lists them"),
        ("f" * 32, "expected the id of a run in"),
    ],
)
def test_what_names_no_study_is_refused_with_what_could_be_meant(recorded, named, words):
    recorded.study(OLD)
    with pytest.raises(UsageError) as refused:
        named_study(named, pytest.fail)
    assert words in str(refused.value)


def test_a_store_without_studies_says_so(store):
    with pytest.raises(UsageError, match="received 'latest'; there is none yet"):
        named_study("latest", pytest.fail)


def test_a_study_whose_name_begins_alike_is_no_earlier_one(recorded):
    first = recorded.study("sweep-000000000000")
    recorded.study("sweep-wide-111111111111")
    experiment = mlflow.get_run(first).info.experiment_id
    found = earlier_study_run("sweep", "sweep-222222222222", experiment, 2_000_000_000_000)
    assert found is not None
    assert found.info.run_id == first
