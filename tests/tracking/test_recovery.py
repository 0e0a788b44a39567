"""What `sync` does with journals that it cannot deliver: it keeps them, and says so."""

from __future__ import annotations

import json
import shutil
from unittest.mock import Mock

import mlflow
import pytest
import requests
from click.testing import CliRunner
from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, UNAUTHENTICATED

from fashion_dropout.commands.upkeep import sync
from fashion_dropout.errors import UndeliveredError
from fashion_dropout.studies.status import describe_status
from fashion_dropout.tracking.recording.delivery import deliver_all
from fashion_dropout.tracking.recording.outbox import Journal, has_journal, journals
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.recording.recovery import tidy
from fashion_dropout.tracking.recording.unseen import tell_unseen
from fashion_dropout.tracking.store.connect import store_name


@pytest.fixture(autouse=True)
def own_state(store, workdir, monkeypatch):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))


def left_behind() -> str:
    """The id of a run whose process has died with three entries undelivered."""
    run_id = mlflow.MlflowClient().create_run("0", tags={"role": "run", **dead()}).info.run_id
    about = {"store": store_name(mlflow.get_tracking_uri()), "name": "a run", **this_process()}
    journal = Journal(journals() / run_id, about)
    for step in (1, 2, 3):
        journal.write("metrics", metrics={"a": 0.5}, step=step, of_model=False, dataset=None)
    journal.close(remove=False)
    return run_id


def dead() -> dict[str, str]:
    return {**this_process(), "process.started": "1.00"}


def synced() -> tuple[int, str]:
    lines: list[str] = []
    waiting = tidy(lines.append, all_stores=True)
    return waiting, "\n".join(lines)


def test_a_journal_that_cannot_be_read_is_kept_and_named():
    damages = [
        ("run.json", b"{"),
        ("run.json", b"[1]"),
        ("run.json", b'{"store": "sqlite:///x"}'),
        ("entries.jsonl", b"\0\0\0\n"),
        ("entries.jsonl", b"[1]\n"),
        ("entries.jsonl", b'{"kind": "of another version", "time": 1}\n'),
        ("delivered", b"many"),
    ]
    for file, content in damages:
        run_id = left_behind()
        (journals() / run_id / file).write_bytes(content)
        waiting, said = synced()
        assert waiting == 1
        assert str(journals() / run_id) in said
        assert "use the version of the program that wrote it, or remove the folder" in said
        assert "use the version of the program that wrote it" in describe_status()
        assert (journals() / run_id / file).read_bytes() == content
        shutil.rmtree(journals() / run_id)


def test_one_unreadable_journal_does_not_keep_the_others_from_their_store():
    damaged, whole = left_behind(), left_behind()
    (journals() / damaged / "run.json").write_text("{")
    waiting, said = synced()
    assert waiting == 1
    assert f"marked a run, run {whole}, as KILLED" in said
    assert mlflow.get_run(whole).data.metrics == {"a": 0.5}


def test_the_run_of_a_journal_that_was_never_begun_is_marked():
    run_id = mlflow.MlflowClient().create_run("0", tags={"role": "run", **dead()}).info.run_id
    folder = journals() / run_id
    folder.mkdir(parents=True)
    FileLock(folder / "lock").acquire()  # what a process without room, or killed, leaves
    waiting, said = synced()
    assert waiting == 0
    assert f"run {run_id}, as KILLED" in said
    assert mlflow.get_run(run_id).info.status == "KILLED"


def test_a_journal_that_goes_meanwhile_is_no_trouble(monkeypatch):
    run_id = left_behind()

    def removed_then(name: str) -> bool:
        there = (journals() / name / "run.json").exists()
        shutil.rmtree(journals() / name, ignore_errors=True)
        return there

    monkeypatch.setattr("fashion_dropout.tracking.recording.recovery.has_journal", removed_then)
    waiting, said = synced()
    assert (waiting, "expected a folder" in said) == (0, False)
    assert not (journals() / run_id / "run.json").exists()


def test_a_store_that_was_replaced_does_not_swallow_what_it_cannot_have(workdir):
    run_id = left_behind()
    mlflow.set_tracking_uri(f"sqlite:///{workdir / 'other.db'}")
    mlflow.MlflowClient().create_run("0")
    about = json.loads((journals() / run_id / "run.json").read_text())
    about["store"] = store_name(mlflow.get_tracking_uri())
    (journals() / run_id / "run.json").write_text(json.dumps(about))
    _, said = synced()
    assert "does not have this run" in said
    assert str(journals() / run_id) in said
    journal = Journal(journals() / run_id)
    assert journal.undelivered == 3
    journal.close(remove=False)


def test_a_deleted_run_gets_its_records_when_it_is_restored():
    run_id = left_behind()
    mlflow.delete_run(run_id)
    _, said = synced()
    assert "has it as deleted" in said
    mlflow.MlflowClient().restore_run(run_id)
    assert f"marked a run, run {run_id}, as KILLED" in synced()[1]
    run = mlflow.get_run(run_id)
    assert (run.info.status, run.data.metrics) == ("KILLED", {"a": 0.5})


def test_a_run_whose_end_has_arrived_is_not_marked_as_killed():
    run_id = left_behind()
    journal = Journal(journals() / run_id)
    journal.write("end", status="FINISHED")
    deliver_all(mlflow.MlflowClient(), journal)
    journal.close(remove=False)  # as a kill does it, or an output that is closed
    waiting, said = synced()
    assert (waiting, "KILLED" in said) == (0, False)
    assert mlflow.get_run(run_id).info.status == "FINISHED"
    assert not has_journal(run_id)


def test_a_removal_that_is_cut_short_leaves_nothing_to_deliver(monkeypatch):
    run_id = left_behind()
    journal = Journal(journals() / run_id)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", Mock())
        journal.close(remove=True)
    assert not has_journal(run_id)


def test_what_the_store_refused_is_said():
    run_id = left_behind()
    journal = Journal(journals() / run_id)
    journal.write("tags", tags={"not a name?\n": "x"})
    journal.write("end", status="FINISHED")
    journal.close(remove=False)
    assert "MLflow refused what it received" in synced()[1]
    assert mlflow.get_run(run_id).info.status == "FAILED"


def test_a_store_in_a_folder_with_a_percent_sign_gets_what_waits_for_it(store, workdir):
    folder = workdir / "100%41 of it"
    folder.mkdir()
    shutil.copy(workdir / "mlflow.db", folder)
    mlflow.set_tracking_uri(f"sqlite:///{str(folder).replace('%', '%25')}/mlflow.db")
    run_id = left_behind()
    mlflow.set_tracking_uri(store)
    waiting, said = synced()
    assert (waiting, f"run {run_id}, as KILLED" in said) == (0, True), said


def test_a_server_that_is_still_away_is_exit_code_6(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(away := "http://127.0.0.1:9")
    journal = Journal(journals() / ("0" * 32), {"store": away, "name": "n", **this_process()})
    journal.write("end", status="FINISHED")
    journal.close(remove=False)
    end = CliRunner().invoke(sync).exception
    assert isinstance(end, UndeliveredError)
    assert away in str(end)


def test_what_a_name_hides_is_shown():
    client = mlflow.MlflowClient()
    hostile = "\x1b[2Jred\nsecond"
    begun = client.create_run("0", tags={"role": "run", **dead()}, run_name=hostile).info.run_id
    about = {"store": store_name(mlflow.get_tracking_uri()), "name": hostile, **this_process()}
    journal = Journal(journals() / begun, about)
    journal.write("tags", tags={"a": "b"})
    journal.close(remove=False)
    client.create_run("0", tags={"role": "run", **dead()}, run_name=hostile)
    status = describe_status()
    assert "undelivered: \\x1b[2Jred\\nsecond, run" in status
    delivered = CliRunner().invoke(sync, catch_exceptions=False).output
    assert "\\x1b[2Jred\\nsecond, run" in delivered
    assert all(line.isprintable() for line in (status + delivered).split("\n"))


def test_the_password_of_one_server_is_not_sent_to_another(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tiger-1729")
    asked = Mock(return_value="")
    monkeypatch.setattr("fashion_dropout.tracking.recording.recovery._gone", asked)
    about = {"store": "http://127.0.0.1:9", "name": "n", **this_process()}
    journal = Journal(journals() / ("0" * 32), about)
    journal.write("end", status="FINISHED")
    journal.close(remove=False)
    waiting, said = synced()
    assert (waiting, asked.called) == (1, False)
    assert "set MLFLOW_TRACKING_URI to its store http://127.0.0.1:9" in said


def test_a_dead_run_where_one_may_not_record_keeps_nobody_from_starting(monkeypatch):
    """On a server with users: it is somebody else's run, in an experiment of their own."""
    client = mlflow.MlflowClient()
    run_id = client.create_run("0", tags={"role": "run", **dead()}).info.run_id
    refusal = MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    def set_tag(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(mlflow.MlflowClient, "set_tag", set_tag)
    waiting, said = synced()
    assert waiting == 0
    assert f"run {run_id}, could not be marked as KILLED: " in said
    assert "Permission denied" in said
    unbegun = {"mlflow.source.type": "PROJECT", "mlflow.project.entryPoint": "main"}
    never = client.create_run("0", 1, unbegun).info.run_id
    client.log_param(never, "split_seed", "0")
    lines: list[str] = []
    tell_unseen(lines.append)
    assert [line for line in lines if f"run {never}, could not be marked as KILLED: " in line]


def test_what_a_proxy_does_not_let_through_keeps_no_other_run_waiting(monkeypatch):
    first, second = sorted([left_behind(), left_behind()])
    journal = Journal(journals() / first)
    journal.write("artifacts", files=journal.new_files())
    journal.close(remove=False)
    answer = requests.Response()
    answer.status_code = 413
    too_large = requests.HTTPError("413 Client Error", response=answer)
    monkeypatch.setattr(mlflow.MlflowClient, "log_artifacts", Mock(side_effect=too_large))
    waiting, said = synced()
    assert waiting == 1
    assert f"run {second}, as KILLED" in said
    assert mlflow.get_run(second).data.metrics == {"a": 0.5}


def test_what_a_server_takes_from_nobody_today_is_kept(monkeypatch):
    """It asks for a password, as while the database of its users is away."""
    run_id = left_behind()
    answer = requests.Response()
    answer.status_code = 401
    for unknown in (
        requests.HTTPError("401 Unauthorized", response=answer),
        MlflowException("not authenticated", error_code=UNAUTHENTICATED),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(mlflow.MlflowClient, "log_batch", Mock(side_effect=unknown))
            waiting, said = synced()
        assert waiting == 1
        assert "entries wait" in said
    assert synced()[0] == 0
    assert mlflow.get_run(run_id).data.metrics == {"a": 0.5}
