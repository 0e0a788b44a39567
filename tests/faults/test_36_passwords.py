"""Row 36: a password in a store's URI stands nowhere that anybody can look."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conftest import clean_environment, run_command
from fashion_dropout.tracking.store.secrets import without_login, without_password
from tracking_server import tracking_server

SECRET = "tiger-1729"


@pytest.mark.parametrize(
    ("text", "shown", "opened"),
    [
        ("http://me:pa@ss@host:5000/x", "http://me:***@host:5000/x", "http://host:5000/x"),
        ("https://me:a/b:c@host", "https://me:***@host", "https://host"),
        ("postgresql://:pw@host/db", "postgresql://:***@host/db", "postgresql://host/db"),
        *(
            (f"{uri}{secret}&a=b", f"{uri}***&a=b", f"{uri}{secret}&a=b")
            for uri in ("postgresql://h/db?user=me&password=", "mysql://h/db?passwd=")
            for secret in ("pw", "p%40w")
        ),
        ("http://me@host/x", "http://me@host/x", "http://host/x"),
        ("http://host:80/a", "http://host:80/a", "http://host:80/a"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_what_is_shown_and_what_a_browser_opens(text, shown, opened):
    assert without_password(text) == shown
    assert without_login(text) == opened


def holding(folder: Path) -> list[str]:
    """The files below a folder that contain the secret."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def command_lines() -> str:
    return "\n".join(" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))


@pytest.mark.slow
def test_no_password_of_a_tracking_server_is_shown_or_kept(tmp_path):
    with tracking_server(tmp_path) as address:
        uri = address.replace("://", f"://me:{SECRET}@")
        environment = {
            "MLFLOW_TRACKING_URI": uri,
            "FASHION_DROPOUT_STATE": str(tmp_path / "state"),
            "PYTHONUNBUFFERED": "1",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "fashion_dropout", "train", "--dataset=synthetic", "--epochs=9"],
            cwd=tmp_path,
            env=clean_environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("epoch 2/9"):
                    assert SECRET not in command_lines()
                    assert holding(tmp_path) == []
        assert process.returncode == 0, said
        assert f"{address}/#/experiments/" in said
        assert SECRET not in said
        wrong = run_command("verify", "nonsense", cwd=tmp_path, environment=environment)
        assert "me:***@127.0.0.1" in wrong.stderr
        assert SECRET not in wrong.stderr
    gone = run_command("train", "--dataset=synthetic", cwd=tmp_path, environment=environment)
    assert "me:***@127.0.0.1" in gone.stderr
    assert SECRET not in gone.stdout + gone.stderr
    assert holding(tmp_path) == []
