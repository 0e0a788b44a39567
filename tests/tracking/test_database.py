"""What the URI of a SQLite store means."""

from __future__ import annotations

import pytest
import sqlalchemy

from fashion_dropout.tracking.store import database


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{here}/mlflow.db"),
        ("sqlite:///a%20b/../x.db?timeout=5", "sqlite:///{here}/a%20b/../x.db?timeout=5"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "sqlite:///file:{here}/x.db?mode=ro&uri=true"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("databricks", "databricks"),
    ],
)
def test_a_relative_uri_becomes_absolute(workdir, given, meant):
    absolute = database.absolute(given)
    assert absolute == meant.format(here=workdir)
    assert database.absolute(absolute) == absolute


def test_the_folder_may_have_any_name(workdir, monkeypatch):
    folder = workdir / "100 %20 ? #é"
    folder.mkdir()
    monkeypatch.chdir(folder)
    uri = database.absolute("sqlite:///mlflow.db")
    engine = sqlalchemy.create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (run_uuid TEXT)")
    engine.dispose()
    assert database.database_file(uri) == folder / "mlflow.db"
    monkeypatch.setenv("MLFLOW_RUN_ID", "a")
    assert database.sqlite_path(uri) == folder / "mlflow.db"
    with database.opened(uri) as connection:
        assert connection is not None
        assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
