"""Several programs want the same cell of a study: one has it, whatever their clocks say."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import mlflow
import pytest

from claimed import CLAIM, FAR, begun, finish, status_of, tags_of
from fashion_dropout.errors import ClaimedError
from fashion_dropout.tracking.recording import claims
from fashion_dropout.tracking.recording.claims import finished_cell, hold, owner, running_elsewhere
from fashion_dropout.tracking.recording.processes import PID, this_process
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store import search

pytestmark = pytest.mark.usefixtures("store")


def dead_process() -> dict[str, str]:
    """The tags of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {**this_process(), PID: str(process.pid)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(claims, "_PAUSE_SECONDS", 0.01)


def test_who_comes_second_gives_way_to_a_run_that_may_live():
    first = begun()
    with pytest.raises(ClaimedError, match=f"run {first} of ann@far-host; wait for its end"):
        finished_cell(CLAIM)
    own = begun("mine")
    with pytest.raises(ClaimedError, match=first):
        hold(CLAIM, own)
    mlflow.MlflowClient().set_terminated(first, "FAILED")
    hold(CLAIM, own)
    assert finished_cell(CLAIM) is None


def test_of_two_that_see_each_other_the_smaller_id_waits_until_the_other_is_gone(monkeypatch):
    smaller, larger = sorted([begun("one"), begun("two")])
    with pytest.raises(ClaimedError, match=smaller):
        hold(CLAIM, larger)

    def pause(_: float) -> None:
        mlflow.MlflowClient().set_terminated(larger, "KILLED")

    monkeypatch.setattr(claims, "time", SimpleNamespace(sleep=pause))
    hold(CLAIM, smaller)


def test_who_waits_in_vain_gives_way():
    smaller, larger = sorted([begun("one"), begun("two")])
    with pytest.raises(ClaimedError, match=larger):
        hold(CLAIM, smaller)


def test_dead_and_own_and_other_runs_are_in_nobodys_way():
    begun("theirs", **dead_process())
    begun("mine")  # its worker is gone: the session gives a cell to one worker at a time
    begun("theirs", replace(CLAIM, seed="1"))
    begun("theirs", replace(CLAIM, study="other-0123456789ab"))
    failed = begun("theirs")
    mlflow.MlflowClient().set_terminated(failed, "FAILED")
    assert finished_cell(CLAIM) is None
    hold(CLAIM, begun("mine"))
    elsewhere = running_elsewhere(CLAIM.experiment_id, CLAIM.study, "mine")
    assert {place: owner(run) for place, run in elsewhere.items()} == {"none-seed1": "ann@far-host"}


def test_with_several_splits_each_has_a_cell_of_its_own():
    own, other = (replace(CLAIM, cell=f"none-seed0-split{split}") for split in (0, 1))
    begun("theirs", other)
    hold(own, begun("mine", own))
    with pytest.raises(ClaimedError, match="to run none-seed0-split1 of the study"):
        finished_cell(replace(other, session="mine"))
    elsewhere = running_elsewhere(CLAIM.experiment_id, CLAIM.study, "mine")
    assert list(elsewhere) == ["none-seed0-split1"]


def test_a_finished_run_counts_if_code_and_images_are_the_same():
    finish(first := begun())
    assert finished_cell(CLAIM).info.run_id == first
    assert finished_cell(replace(CLAIM, code="newer")) is None
    assert finished_cell(replace(CLAIM, dataset="others")) is None
    with pytest.raises(ClaimedError, match=first):
        hold(CLAIM, begun("mine"))
    cut = begun("theirs", replace(CLAIM, seed="1"))
    mlflow.MlflowClient().set_terminated(cut)  # as FINISHED, without its parts
    assert finished_cell(replace(CLAIM, seed="1")) is None


def test_many_at_once_never_have_it_together_and_one_gets_it():
    client, won = mlflow.MlflowClient(), list[str]()

    def want(session: str) -> None:
        claim = replace(CLAIM, session=session)
        for _ in range(50):
            run_id = begun(session)
            try:
                hold(claim, run_id)
            except ClaimedError:
                client.set_terminated(run_id, "KILLED")
                if won:
                    return
                time.sleep(random.uniform(0, 0.3))
                continue
            won.append(run_id)
            return

    threads = [threading.Thread(target=want, args=(f"session {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 1


def test_a_run_that_gives_way_is_killed_and_says_to_whom():
    first = begun()
    with (
        pytest.raises(ClaimedError),
        tracked_run(
            name="n", description="d", params={}, tags=tags_of(CLAIM), experiment="Default"
        ) as run,
    ):
        run.hold(CLAIM)
    assert status_of(run.run_id) == "KILLED"
    assert f"received run {first} of ann@far-host" in mlflow.get_run(run.run_id).data.tags["error"]


def test_a_run_that_was_taken_for_dead_does_not_finish_a_cell_twice():
    with tracked_run(
        name="n", description="d", params={}, tags=tags_of(CLAIM), experiment="Default"
    ) as run:
        run.hold(CLAIM)
        finish(second := begun("theirs", CLAIM, **FAR))
    assert status_of(run.run_id) == "KILLED"
    said = mlflow.get_run(run.run_id).data.tags["error"]
    assert said == f"run {second} has finished the same cell before"


def test_a_run_that_goes_on_is_of_its_new_process_before_it_says_so():
    with (
        pytest.raises(KeyboardInterrupt),
        tracked_run(
            name="n", description="d", params={}, tags=tags_of(CLAIM), experiment="Default"
        ) as run,
    ):
        raise KeyboardInterrupt
    client = mlflow.MlflowClient()
    client.set_tag(run.run_id, PID, "1")
    with tracked_run(
        name="n",
        description="d",
        params={},
        tags=tags_of(CLAIM),
        experiment="Default",
        resume=run.run_id,
    ):
        recorded = client.get_run(run.run_id)
        assert (recorded.info.status, recorded.data.tags[PID]) == ("RUNNING", this_process()[PID])


def test_one_tag_finds_the_runs_of_a_cell(monkeypatch):
    first, asked = begun(), []
    search = mlflow.MlflowClient.search_runs

    def searching(client, experiments, runs, **more):
        asked.append(runs)
        return search(client, experiments, runs, **more)

    monkeypatch.setattr(mlflow.MlflowClient, "search_runs", searching)
    with pytest.raises(ClaimedError, match=first):
        finished_cell(CLAIM)
    (runs,) = asked
    assert runs.count("tags.") == 1


def test_a_run_that_goes_on_is_found_by_its_cell_though_it_was_begun_without_that_tag():
    before = {name: of for name, of in tags_of(CLAIM).items() if name != "study.cell"}
    known = {"name": "n", "description": "d", "params": {}, "experiment": "Default"}
    with pytest.raises(KeyboardInterrupt), tracked_run(**known, tags=before) as run:
        raise KeyboardInterrupt
    with tracked_run(**known, tags=tags_of(CLAIM), resume=run.run_id):
        recorded = mlflow.MlflowClient().get_run(run.run_id).data.tags
        assert recorded["study.cell"] == "none-seed0"


def test_the_claim_in_a_journal_of_before_has_a_name():
    finish(first := begun())
    journal = {**asdict(CLAIM), "cell": ""}
    assert claims.first_finished(mlflow.MlflowClient(), journal, "another") == first


def test_runs_of_other_studies_do_not_hide_that_of_a_cell(monkeypatch):
    """Cells of many studies have the same name: more than one answer of the store can hold."""
    first = begun()
    for number in range(3):
        begun(of=replace(CLAIM, study=f"another-{number}"))
    monkeypatch.setattr(search, "_PAGE", 2)
    with pytest.raises(ClaimedError, match=first):
        finished_cell(CLAIM)
