"""The whole with real parts: PostgreSQL, MLflow's server with its users, a scheduler with TLS and
three workers in folders of their own. Everything dies once, and the study is that of one machine.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
import sqlalchemy
from werkzeug.security import generate_password_hash

from conftest import ROOT, run_command
from dask_processes import Cluster, cluster
from faults.interrupting import recorded, running, wait_for
from postgresql import PostgreSQL, postgresql, programs_of_postgresql
from study_text import study_text
from tracking_server import tracking_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(not programs_of_postgresql(), reason="no PostgreSQL on this machine"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine"),
]
SEEDS = range(6)
STUDY = study_text("whole", SEEDS, {"epochs": 3, "learning_rate": 0.004})
PASSWORD = "only-the-administrator-has-this"
SECONDS = 900  # for a study of a minute, on a machine that is not busy


@contextmanager
def a_team(folder: Path) -> Iterator[tuple[PostgreSQL, str, Cluster]]:
    """The database, the address of the server on it, and the cluster, which has no process yet."""
    made = ["sh", ROOT / "deploy/cluster/certificates.sh", folder / "keys"]
    subprocess.run(made, check=True, capture_output=True)
    tls = {"CA_FILE": "ca.pem"}
    for role in ("client", "scheduler", "worker"):
        tls |= {f"{role.upper()}__CERT": f"{role}.pem", f"{role.upper()}__KEY": f"{role}.key"}
    dask = {
        f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / "keys" / file)
        for name, file in tls.items()
    }
    with postgresql() as database:
        users = (ROOT / "deploy/server/basic-auth.ini.example").read_text(encoding="utf-8")
        execute(database.uri, "CREATE DATABASE users")
        own = f"database_uri = {database.database('users')}"
        lines = [
            own if line.startswith("database_uri") else line
            for line in users.splitlines()
            if not line.startswith("auth_cache")  # or no answer is 401 while its database is away
        ]
        (folder / "users.ini").write_text("\n".join(lines), encoding="utf-8")
        server = {
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / "users.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of-the-cookies",
        }
        options = ("--app-name", "basic-auth")
        log = folder / "server.log"
        with (
            tracking_server(
                folder, store=database.uri, options=options, log=log, **server
            ) as address,
            cluster(folder, "tls", dask | store_of(address)) as of_team,
        ):
            # MLflow's own hash takes a core longer than the request.
            quick = generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")
            execute(database.database("users"), f"UPDATE users SET password_hash = '{quick}'")
            yield database, address, of_team


def execute(uri: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


def store_of(address: str) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
    }


def cells(statuses: tuple[str, ...] = ("FINISHED",)) -> dict[str, list[mlflow.entities.Run]]:
    """The runs of each cell in the store that MLflow uses."""
    found: dict[str, list[mlflow.entities.Run]] = {}
    for run in mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'run'", output_format="list"
    ):
        if run.info.status in statuses:
            found.setdefault(run.info.run_name, []).append(run)
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(1)


def test_whatever_dies_each_cell_has_one_finished_run_with_the_bits_of_one_machine(
    tmp_path, monkeypatch, request
):
    before = mlflow.get_tracking_uri()
    request.addfinalizer(lambda: mlflow.set_tracking_uri(before))
    serial, team = tmp_path / "serial", tmp_path / "team"
    for folder in (serial, team):
        folder.mkdir()
        (folder / "whole.toml").write_text(STUDY, encoding="utf-8")
    alone = run_command("compare", "whole.toml", "--workers", "1", cwd=serial, timeout=SECONDS)
    assert alone.returncode == 0, alone.stderr
    mlflow.set_tracking_uri(f"sqlite:///{serial / 'mlflow.db'}")
    expected = {name: recorded(run) for name, (run,) in cells().items()}
    assert len(expected) == 2 * len(SEEDS)

    said = []
    with a_team(team) as (database, address, dask):
        for name, value in store_of(address).items():
            monkeypatch.setenv(name, value)
        mlflow.set_tracking_uri(address)
        verb = ("compare", "whole.toml", "--scheduler", dask.address)
        scheduler = dask.scheduler()

        def worker() -> subprocess.Popen[bytes]:
            folder = team / f"worker-{len(dask.processes)}"
            folder.mkdir()
            return dask.worker(folder=folder, FASHION_DROPOUT_STATE=str(folder / "state"))

        workers = [worker() for _ in range(3)]
        with running(*verb, cwd=team, environment=dask.environment) as lost:
            said.append(wait_for(lost, "none-seed0: epoch 1/"))
            dask.kill(workers[0])
            worker()
            wait_until(lambda: len(cells()) > 1)
            dask.kill(scheduler)
            said += lost.communicate(timeout=SECONDS)
        assert lost.returncode == 1
        assert "received a lost connection, a restart" in said[-1]
        for process in dask.processes:
            dask.kill(process)

        dask.scheduler()
        for _ in range(3):
            worker()
        with running(*verb, cwd=team, environment=dask.environment) as again:
            done = len(cells())
            wait_until(lambda: len(cells()) > done)
            database.kill()
            time.sleep(5)
            database.start()
            said += again.communicate(timeout=SECONDS)
        assert again.returncode == 0, said[-1]

        found = cells()
        assert {name: len(runs) for name, runs in found.items()} == dict.fromkeys(expected, 1)
        assert {name: recorded(run) for name, (run,) in found.items()} == expected
        tags = [
            run.data.tags | run.data.params
            for run in mlflow.search_runs(search_all_experiments=True, output_format="list")
        ]
    assert verdict(said[-2]) == verdict(alone.stdout) != []
    assert PASSWORD not in "".join(said) + str(tags)
    written = [path for path in team.rglob("*") if path.is_file()]
    assert sum("artifacts" in path.parts for path in written) > len(expected)
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []


def verdict(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("verdict: ")]
