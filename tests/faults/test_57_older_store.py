"""Row 57: a store that another version of MLflow has written is not migrated by a look at it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import sqlalchemy
from click.testing import CliRunner
from mlflow.store.tracking.dbmodels.initial_models import Base
from PIL import Image

from conftest import ROOT, run_command
from fashion_dropout import provenance
from fashion_dropout.cli import cli
from fashion_dropout.errors import TrackingError
from fashion_dropout.tracking.store.connect import connect
from postgresql import postgresql, programs_of_postgresql

RUN = "684cae3d221348c8a890cbca4826bc82"
SMOKE = str(ROOT / "experiments/dropout/smoke.toml")
TRAIN = ("train", "--dataset", "synthetic", "--epochs", "1")


def old_store(database: Path) -> bytes:
    """A store as MLflow 3.5.0 has left it, see ``tests/old_store.py``; its bytes."""
    database.unlink(missing_ok=True)  # an empty store of today
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript((ROOT / "tests/mlflow-3.5.0.sql").read_text(encoding="utf-8"))
    return database.read_bytes()


@pytest.mark.parametrize(
    "command",
    [
        *(("status",), ("sync",), ("history",), ("relocate",)),
        *(("report", RUN), ("publish", "experiments/dropout", "--study", RUN), ("verify", RUN)),
        *(TRAIN, ("compare", SMOKE), ("rollback",)),
        ("promote", RUN, "--policy", str(ROOT / "experiments/promotion.toml")),
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (("ui",), ("predict", "picture.png"))
        ),
    ],
    ids=lambda command: command[0],
)
def test_no_command_changes_it_and_each_says_what_to_type(store, workdir, command, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)  # for the processes that are asked
    before = old_store(workdir / "mlflow.db")
    Image.linear_gradient("L").resize((28, 28)).save(workdir / "picture.png")
    monkeypatch.setattr(provenance, "cores", lambda: 1)  # TensorFlow may have been started with one
    result = CliRunner().invoke(cli, command)
    assert isinstance(result.exception, TrackingError), result.output
    message = str(result.exception)
    assert f"expected a database of MLflow {mlflow.__version__} at {store}" in message
    assert "an older version (schema bf29a5ff90ea)" in message
    assert f"`mlflow db upgrade {store}`" in message
    assert "\n" not in message
    assert (workdir / "mlflow.db").read_bytes() == before


@pytest.mark.slow
def test_what_it_says_to_type_brings_the_store_up_to_date(tmp_path):
    old_store(tmp_path / "mlflow.db")
    refused = run_command("status", cwd=tmp_path)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    for command in re.findall("`([^`]+)`", line):
        typed = command.replace("mlflow", str(Path(sys.executable).with_name("mlflow")), 1)
        if not command.startswith("mlflow"):
            typed = command
        subprocess.run(typed, shell=True, check=True, capture_output=True, cwd=tmp_path)
    assert run_command("status", cwd=tmp_path).returncode == 0
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert mlflow.get_run(RUN).data.metrics == {"val/loss": 0.25}
    copied = (tmp_path / "mlflow.db.before-upgrade").read_bytes()
    assert copied == old_store(tmp_path / "again.db")


def test_a_launched_run_that_fails_does_not_migrate_it_either(store, workdir, monkeypatch):
    from fashion_dropout.tracking.recording.launched import end_launched_run

    before = old_store(workdir / "mlflow.db")
    monkeypatch.setenv("MLFLOW_RUN_ID", RUN)
    end_launched_run(ValueError("a bad parameter"))
    assert (workdir / "mlflow.db").read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(store, workdir):
    old_store(workdir / "mlflow.db")
    with closing(sqlite3.connect(workdir / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
        database.commit()
    with pytest.raises(TrackingError, match=r"a newer version \(schema fedcba987654\)"):
        connect()


def test_an_empty_database_becomes_a_store(store, workdir):
    (workdir / "mlflow.db").touch()
    connect()
    assert mlflow.get_experiment("0").name == "Default"


def test_a_first_use_that_was_killed_is_completed(store, workdir):
    """It has made tables, but nothing stands in them yet, not even a number."""
    engine = sqlalchemy.create_engine(store)
    Base.metadata.create_all(engine)
    engine.dispose()
    connect()
    assert mlflow.get_experiment("0").name == "Default"


def test_a_registry_of_an_older_version_is_refused_too(store, workdir, monkeypatch):
    connect()
    before = old_store(workdir / "registry.db")
    mlflow.set_registry_uri(f"sqlite:///{workdir / 'registry.db'}")
    try:
        with pytest.raises(TrackingError, match="received one of an older version"):
            connect()
    finally:
        mlflow.set_registry_uri("")
    assert (workdir / "registry.db").read_bytes() == before


@pytest.fixture(scope="module")
def database_server() -> Iterator[str]:
    with postgresql() as server:
        yield server.uri


@pytest.mark.slow
@pytest.mark.skipif(not programs_of_postgresql(), reason="no PostgreSQL on this machine")
def test_postgresql(tmp_path, database_server):
    """A store of today, whose schema is called older: nothing brings it to the newest again."""
    here = {"MLFLOW_TRACKING_URI": database_server}
    engine = sqlalchemy.create_engine(database_server)
    assert run_command("status", cwd=tmp_path, environment=here).returncode == 0
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE jobs CASCADE")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'bf29a5ff90ea'")
    for command in (("status",), ("ui", "--no-browser", "--port", "5077"), TRAIN):
        refused = run_command(*command, cwd=tmp_path, environment=here, timeout=90)
        assert refused.returncode == 1, refused.stdout
        assert "an older version (schema bf29a5ff90ea)" in refused.stderr
        assert f"make a backup of it, then `mlflow db upgrade {database_server}`" in refused.stderr
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        assert kept == "bf29a5ff90ea"
        assert "jobs" not in sqlalchemy.inspect(connection).get_table_names()
    engine.dispose()
