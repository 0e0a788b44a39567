from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.tracking.store import connect
from fashion_dropout.tracking.store.database import sqlite_path
from tracking_server import gateway


@pytest.fixture
def tracking_uri(workdir) -> Iterator:
    before = mlflow.get_tracking_uri()
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []
        threading.Thread(
            target=lambda: [held.append(server.accept()) for _ in range(50)], daemon=True
        ).start()
        yield server.getsockname()[1]


def refusal() -> str:
    began = time.monotonic()
    with pytest.raises(TrackingError) as refused:
        connect.connect()
    assert time.monotonic() - began < 30
    message = str(refused.value)
    assert "\n" not in message
    assert "MLFLOW_TRACKING_URI" in message
    return message


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("http://127.0.0.1:9", marks=pytest.mark.slow),  # MLflow tries for seconds
        "postgresql://me:secret@127.0.0.1:9/mlflow",
        "nonsense://x",
    ],
)
def test_a_store_that_is_not_there_is_one_clear_line(tracking_uri, uri):
    tracking_uri(uri)
    message = refusal()
    assert "secret" not in message
    assert uri.partition("://")[0] in message


@pytest.mark.parametrize(
    ("uri", "received"),
    [
        *((uri, "a folder, which MLflow 3 takes no longer") for uri in ("mlruns", "file:./mlruns")),
        *((uri, "one in memory") for uri in ("sqlite://", "sqlite:///:memory:")),
    ],
)
def test_a_store_of_a_kind_that_cannot_last_is_refused(tracking_uri, workdir, uri, received):
    tracking_uri(uri)
    message = refusal()
    assert message.startswith(f"expected a database or a server as store, received {uri}: ")
    assert received in message
    assert message.endswith("; set MLFLOW_TRACKING_URI to a file such as sqlite:///mlflow.db")
    assert list(workdir.iterdir()) == []


def test_a_folder_as_a_store_is_one_clear_line_at_once(tracking_uri, workdir):
    tracking_uri(f"sqlite:///{workdir}")
    assert f"received the folder {workdir};" in refusal()
    assert list(workdir.iterdir()) == []
    assert not workdir.with_name(f"{workdir.name}.lock").exists()


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up(tracking_uri, silent_server):
    tracking_uri(f"http://127.0.0.1:{silent_server}")
    assert str(silent_server) in refusal()


def test_patience_is_the_users_own_again_afterwards(tracking_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    tracking_uri("http://127.0.0.1:9")
    refusal()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


def test_a_file_that_is_no_database_is_refused(tracking_uri, workdir):
    (workdir / "mlflow.db").write_text("not a database " * 100)
    tracking_uri(f"sqlite:///{workdir / 'mlflow.db'}")
    refusal()


def test_a_store_in_a_folder_that_is_not_there_is_refused(tracking_uri, workdir):
    tracking_uri(f"sqlite:///{workdir / 'none' / 'mlflow.db'}")
    with pytest.raises(TrackingError, match="expected a folder"):
        connect.connect()
    assert not (workdir / "none").exists()


@pytest.mark.parametrize("folder", ["two words", "100%41", "a?b#c", "it's; $x", "研究\u3000室"])
def test_the_name_of_a_store_leads_back_to_its_file(tmp_path, folder):
    path = tmp_path / folder / "mlflow.db"
    path.parent.mkdir()
    path.touch()
    encoded = "".join(f"%{ord(one):02X}" if one in "%?" else one for one in str(path))
    name = connect.store_name(f"sqlite:///{encoded}")
    assert sqlite_path(name) == path
    assert len(name.split()) == 1, "a word of a command"
    assert connect.store_name(name) == name


def test_the_advised_store_in_a_folder_is_one_that_can_be_used(tmp_path, tracking_uri):
    (folder := tmp_path / "100%41 of it").mkdir()
    tracking_uri(f"sqlite:///{str(folder).replace('%', '%25')}")
    with pytest.raises(TrackingError, match="received the folder") as refused:
        connect.connect()
    advised = str(refused.value).rpartition(" such as ")[2]
    assert sqlite_path(advised) == Path(folder / "mlflow.db")


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://mlflow:tiger@1729:lion@host/mlflow",
        "postgresql://mlflow:lion",
        "mysql://me:lion@host:33o6/mlflow",
    ],
)
def test_of_a_uri_that_cannot_be_read_nothing_is_shown(tracking_uri, uri):
    tracking_uri(uri)
    with pytest.raises(UsageError) as refused:
        connect.connect()
    said = str(refused.value)
    assert "received one that cannot be read; in the user and the password write @ as %40" in said
    assert not [part for part in ("lion", "tiger", "1729", "33o6") if part in said]


def test_two_slashes_before_a_drive_are_one_line():
    with pytest.raises(UsageError, match=r"expected a SQLite store such as sqlite:///mlflow\.db"):
        sqlite_path("sqlite://C:\\mlflow.db")


def test_a_wrong_password_is_one_line_that_says_where_it_is_given(tracking_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "tiger-1729")
    with gateway("", lambda path, _: (401, b"You are not authenticated.")) as address:
        tracking_uri(address)
        with pytest.raises(TrackingError) as refused:
            connect.connect()
    said = str(refused.value)
    assert "\n" not in said
    assert "You are not authenticated" in said
    assert said.endswith("in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    assert "tiger-1729" not in said
