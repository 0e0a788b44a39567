"""The journal of a run: what a kill leaves of it, and that a second delivery changes nothing."""

from __future__ import annotations

import resource
import signal
import threading
import time

import mlflow
import pytest

from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.recording.delivery import deliver, deliver_all
from fashion_dropout.tracking.recording.outbox import Journal, journals
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.recording.recovery import left_behind
from faulty import fill, small_disk

ABOUT = {"store": "sqlite:///x", "name": "a run", **this_process()}


def closed(found):
    """Each journal, closed again."""
    for journal in found:
        journal.close(remove=False)
        yield journal


def metrics(value: float, step: int) -> dict:
    return {"metrics": {"val/loss": value}, "step": step, "of_model": False, "dataset": None}


def test_a_line_that_was_cut_off_is_left_out_and_written_over(tmp_path):
    journal = Journal(tmp_path / "id", ABOUT)
    journal.write("metrics", **metrics(0.1, 1))
    journal.write("metrics", **metrics(0.2, 2))
    journal.close(remove=False)
    path = tmp_path / "id/entries.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    again = Journal(tmp_path / "id")
    assert again.undelivered == 1
    again.write("end", status="KILLED")
    again.close(remove=False)
    last = Journal(tmp_path / "id")
    assert last.undelivered == 2
    assert last.ended
    assert [entry["kind"] for entry in last.next(0)] == ["metrics"]
    assert last.next(0)[0]["metrics"] == {"val/loss": 0.1}
    last.close(remove=False)


def test_what_was_delivered_is_not_delivered_again(tmp_path):
    journal = Journal(tmp_path / "id", ABOUT)
    for step in (1, 2, 3):
        journal.write("metrics", **metrics(0.1, step))
    journal.has_delivered(journal.next(0)[:1])
    journal.close(remove=False)
    again = Journal(tmp_path / "id")
    assert (again.delivered, again.undelivered) == (1, 2)
    assert [entry["step"] for entry in again.next(0)] == [2, 3]
    again.close(remove=False)


def test_a_journal_that_is_held_is_refused_and_left_out():
    held = Journal(journals() / "held", ABOUT)
    with pytest.raises(TrackingError, match="received one that works on it"):
        Journal(journals() / "held")
    assert "held" not in [journal.folder.name for journal in closed(left_behind(print))]
    held.close(remove=False)
    assert "held" in [journal.folder.name for journal in closed(left_behind(print))]
    Journal(journals() / "held").close(remove=True)
    assert not (journals() / "held").exists()


def test_a_disk_without_room_is_one_line_and_leaves_whole_entries(tmp_path):
    journal = Journal(tmp_path / "id", ABOUT)
    journal.write("metrics", **metrics(0.1, 1))
    size = (tmp_path / "id/entries.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))  # the kernel refuses the rest
    try:
        with pytest.raises(TrackingError, match="expected room") as refused:
            journal.write("metrics", **metrics(0.2, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "\n" not in str(refused.value)
    journal.write("end", status="FAILED")
    journal.close(remove=False)
    again = Journal(tmp_path / "id")
    assert (again.undelivered, again.ended) == (2, True)
    again.close(remove=False)


def test_a_journal_that_is_damaged_is_one_line(tmp_path):
    (tmp_path / "id").mkdir()
    (tmp_path / "id/run.json").write_text("{")
    with pytest.raises(TrackingError, match="or remove the folder") as refused:
        Journal(tmp_path / "id")
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("store")
def test_a_second_delivery_of_each_entry_changes_nothing(tmp_path):
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    journal = Journal(tmp_path / run_id, ABOUT)
    dataset = {"name": "d", "digest": "1", "source_type": "code", "source": "{}"}
    journal.write("params", params={"seed": "1"})
    journal.write("tags", tags={"role": "run"})
    journal.write("input", dataset=dataset, tags={"sha256": "2"})
    journal.write("metrics", **metrics(0.1, 1))
    journal.write("metrics", **metrics(float("nan"), 2))
    files = journal.new_files()
    (journal.folder / files / "a.txt").write_text("a")
    journal.write("artifacts", files=files)
    for entry in list(journal._waiting):
        deliver(client, journal, [entry])
    assert deliver_all(client, journal) == 6
    run = client.get_run(run_id)
    assert [m.step for m in client.get_metric_history(run_id, "val/loss")] == [1, 2]
    assert len(run.inputs.dataset_inputs) == 1
    assert [found.path for found in client.list_artifacts(run_id)] == ["a.txt"]
    assert not (journal.folder / files).exists()
    journal.close(remove=True)


@pytest.mark.usefixtures("store")
def test_a_run_of_which_the_store_refused_a_part_does_not_end_as_finished(tmp_path):
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    journal = Journal(tmp_path / run_id, ABOUT)
    journal.write("tags", tags={"not a name?\n": "x"})
    journal.write("end", status="FINISHED")
    assert deliver_all(client, journal) == 2
    run = client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == journal.refusal
    journal.close(remove=True)


def test_what_one_request_can_take_waits_together(tmp_path):
    journal = Journal(tmp_path / "id", ABOUT)
    journal.write("tags", tags={"role": "run"})
    journal.write("params", params={f"p{number}": "" for number in range(98)})
    for step in (1, 2):
        journal.write("metrics", **metrics(0.1, step))
    for name in ("training", "validation"):
        journal.write("input", dataset={"name": name}, tags={})
    journal.write("artifacts", files="files/1")
    journal.write("artifacts", files="files/2")
    journal.write("end", status="FINISHED")
    taken = []
    while entries := journal.next(0):
        taken.append([entry["kind"] for entry in entries])
        journal.has_delivered(entries)
    assert taken == [
        ["tags", "params", "metrics"],  # 100 at once
        ["metrics"],
        ["input", "input"],
        ["artifacts"],
        ["artifacts"],
        ["end"],
    ]
    assert (journal.delivered, journal.undelivered) == (9, 0)
    journal.close(remove=True)


def test_metrics_wait_for_more_unless_somebody_waits_for_them(tmp_path):
    journal = Journal(tmp_path / "id", ABOUT)
    begun = time.monotonic()
    journal.write("metrics", **metrics(0.1, 1))
    asked = threading.Timer(0.2, journal.write, ["metrics"], metrics(0.2, 2))
    awaited = threading.Timer(0.4, journal.wait_until_delivered, [0])
    for timer in (asked, awaited):
        timer.start()
    assert [entry["step"] for entry in journal.next(0, begun + 60)] == [1, 2]
    journal.has_delivered(journal.next(0))
    journal.write("metrics", **metrics(0.3, 3))
    threading.Timer(0.2, journal.write, ["end"], {"status": "FINISHED"}).start()
    assert [entry["step"] for entry in journal.next(0, begun + 60)] == [3]
    assert 0.4 < time.monotonic() - begun < 30
    journal.close(remove=True)


@pytest.mark.usefixtures("store")
def test_of_what_is_sent_together_only_the_refused_part_is_lost(tmp_path):
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    journal = Journal(tmp_path / run_id, ABOUT)
    journal.write("tags", tags={"before": "1"})
    journal.write("tags", tags={"not a name?\n": "x"})
    journal.write("metrics", **metrics(0.1, 1))
    assert deliver_all(client, journal) == 3
    run = client.get_run(run_id)
    assert (run.data.tags["before"], run.data.metrics) == ("1", {"val/loss": 0.1})
    assert journal.refusal
    journal.close(remove=True)


@pytest.mark.usefixtures("store")
def test_a_model_that_was_refused_keeps_the_metrics_that_came_behind_it(tmp_path):
    """The store takes no second one of a name, step and time, also if it names no dataset."""
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    journal = Journal(tmp_path / run_id, ABOUT)
    model = {"step": 2, "params": {}, "tags": {}}
    journal.write("model", files=journal.new_files(), metrics={}, **model)
    tested = {"metrics": {"test/loss": 0.3}, "step": 2, "of_model": True, "dataset": ["d", "1"]}
    time = journal.write("metrics", **tested)
    assert deliver_all(client, journal) == 2
    assert journal.refusal  # there were no files
    journal.refusal = ""
    files = journal.new_files()
    mlflow.models.Model().save(str(journal.folder / files / "MLmodel"))
    known = {"val/loss": (0.4, time - 1), "test/loss": (0.3, time)}
    journal.write("model", files=files, metrics=known, **model)
    assert deliver_all(client, journal) == 1
    assert not journal.refusal
    stored = client.get_logged_model(journal.model_id)
    assert stored.status == "READY"
    measured = {metric.key: metric.dataset_name for metric in stored.metrics}
    assert measured == {"val/loss": None, "test/loss": "d"}
    journal.close(remove=True)


@pytest.mark.usefixtures("store")
def test_a_refusal_that_cannot_be_noted_still_fails_the_run(tmp_path):
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    with small_disk(tmp_path / "disk", 64) as disk:
        journal = Journal(disk / run_id, ABOUT)
        journal.write("tags", tags={"not a name?\n": "x"})
        journal.write("end", status="FINISHED")
        fill(disk)
        assert deliver_all(client, journal) == 2
        journal.close(remove=True)
    assert client.get_run(run_id).info.status == "FAILED"
