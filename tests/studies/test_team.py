"""A team: one study of several people, and the whole of a server and a cluster, with its deaths."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pytest

from claimed import FAR
from conftest import ROOT, clean_environment, run_here
from dask_processes import Cluster, cluster
from fashion_dropout.config.study import read_study
from fashion_dropout.tracking.recording.processes import HOST
from postgresql import PostgreSQL, postgresql, programs_of_postgresql
from tracking_server import tracking_server

pytestmark = [pytest.mark.slow, pytest.mark.long]
CLOCK = ("speed/", "system/")
STUDY = """
name = "{name}"
question = "Does a team's study run every cell once?"
dataset = "synthetic"
seeds = {seeds}
[base]
epochs = {epochs}
learning_rate = 0.004
[regimes.none]
dropout = 0.0
[regimes.dropout]
dropout = 0.5
[decision]
primary = "val/accuracy"
direction = "higher"
smallest_difference = 1e-9
alpha = 0.05
baseline = "none"
"""
OF_ANOTHER_HOST = """\
import sys
from fashion_dropout.studies import others
others.SILENT_SECONDS, others._POLL_SECONDS = 20, 1
from fashion_dropout.__main__ import main
sys.argv[0] = "fashion-dropout"
main()
"""
SECONDS = 600  # for what takes a few seconds on a machine that is not busy


def cells(uri: str, study: str) -> list[mlflow.entities.Run]:
    mlflow.set_tracking_uri(uri)
    return mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.role = 'run' and tags.study LIKE '{study}-%'",
        output_format="list",
    )


def finished(runs: list[mlflow.entities.Run]) -> Counter[str]:
    return Counter(run.info.run_name for run in runs if run.info.status == "FINISHED")


def names(seeds: int) -> dict[str, int]:
    return {f"{r}-seed{s}-synthetic": 1 for r in ("none", "dropout") for s in range(seeds)}


def verdict(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("verdict: ")]


@contextmanager
def on_host(
    host: str, cwd: Path, *arguments: str, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``fashion-dropout`` as on a machine of this name, with a state folder of its own."""
    named = ("unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh")
    if subprocess.run([*named, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can give a process another host name")
    own = {"FASHION_DROPOUT_STATE": str(cwd / f"state-{host}"), "PYTHONUNBUFFERED": "1"}
    with (cwd / f"{host}.log").open("a") as log:
        process = subprocess.Popen(
            [*named, sys.executable, "-c", OF_ANOTHER_HOST, *arguments],
            cwd=cwd,
            env=clean_environment(**own, **environment),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_two_who_start_the_same_study_run_each_cell_once_and_both_end_with_the_verdict(tmp_path):
    """Beside them somebody runs another study, and a third has left a cell of theirs behind."""
    for name, seeds in (("shared", [0, 1]), ("another", [0])):
        text = STUDY.format(name=name, seeds=seeds, epochs=2)
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    study = read_study(tmp_path / "shared.toml")
    with tracking_server(tmp_path) as address, ExitStack() as stack:
        mlflow.set_tracking_uri(address)
        client = mlflow.MlflowClient()
        left = client.create_run(
            client.create_experiment("fashion-mnist-dropout"),
            tags={
                **{**FAR, HOST: "gone", "role": "run", "study.session": "gone"},
                **{"study": study.key, "regime": "none", "seed": "1"},
            },
        ).info.run_id
        verb, store = ("compare", "--workers", "1"), {"MLFLOW_TRACKING_URI": address}
        who = {
            host: stack.enter_context(on_host(host, tmp_path, *verb, file, **store))
            for host, file in (
                ("alpha", "shared.toml"), ("beta", "shared.toml"), ("gamma", "another.toml")
            )
        }  # fmt: skip
        codes = {host: process.wait(SECONDS) for host, process in who.items()}
        said = {host: (tmp_path / f"{host}.log").read_text(encoding="utf-8") for host in who}
        assert codes == dict.fromkeys(who, 0), said
        runs = cells(address, "shared")
        assert finished(runs) == names(2)
        assert finished(cells(address, "another")) == names(1)
        assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
        assert mlflow.get_run(left).info.status == "KILLED"
    assert verdict(said["alpha"]) == verdict(said["beta"]) != []
    assert any("that ann@gone runs" in said[host] for host in ("alpha", "beta"))
    assert sum("taking over none-seed1: ann@gone has been" in text for text in said.values()) >= 1
    assert sum("has concluded the study, too" in text for text in said.values()) >= 1
    assert "otherwise" not in said["alpha"] + said["beta"]
    assert "waiting for" not in said["gamma"]


ADMIN, ANN, WORKERS = "admin-0-secret-0", "ann-0-secret-000", "workers-0-secret"
DATABASE, COOKIES = "database-0-secret", "cookies-0-secret"
SECRETS = (ADMIN, ANN, WORKERS, DATABASE, COOKIES)


class Team:
    """PostgreSQL, MLflow on it with users, a TLS scheduler and workers, each in a folder."""

    def __init__(self, folder: Path, database: PostgreSQL, stack: ExitStack) -> None:
        self.folder, self.database = folder, database
        for name in ("mlflow", "mlflow_users"):
            database.create(name)
        (folder / "server").mkdir()
        (folder / "private").mkdir()  # what has passwords because it must
        users = (ROOT / "deploy/server/basic-auth.ini.example").read_text(encoding="utf-8")
        config = folder / "private/basic-auth.ini"
        line = f"database_uri = {database.database('mlflow_users', DATABASE)}"
        own = [line if each.startswith("database_uri") else each for each in users.splitlines()]
        config.write_text("\n".join(own), encoding="utf-8")
        self.address = stack.enter_context(
            tracking_server(
                folder / "server",
                store=database.database("mlflow", DATABASE),
                options=("--app-name", "basic-auth"),
                log=folder / "server/log",
                MLFLOW_AUTH_CONFIG_PATH=str(config),
                MLFLOW_AUTH_ADMIN_PASSWORD=ADMIN,
                MLFLOW_FLASK_SERVER_SECRET_KEY=COOKIES,
            )
        )
        for user, password in (("ann", ANN), ("workers", WORKERS)):
            self.post("2.0/mlflow/users/create", username=user, password=password)
        ann, name = ("ann", ANN), "fashion-mnist-dropout"
        made = self.post("2.0/mlflow/experiments/create", ann, name=name)["experiment_id"]
        self.post(
            "3.0/mlflow/users/permissions/grant", ann,
            username="workers", resource_type="experiment", resource_id=made, permission="EDIT",
        )  # fmt: skip
        certificates = [ROOT / "deploy/cluster/certificates.sh", folder / "private"]
        subprocess.run(["sh", *certificates], check=True, capture_output=True)
        tls = {"CA_FILE": "ca.pem"} | {
            f"{of}__{kind.upper()}": f"{of.lower()}.{'pem' if kind == 'cert' else 'key'}"
            for of in ("SCHEDULER", "WORKER", "CLIENT")
            for kind in ("cert", "key")
        }
        self.tls = {
            f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / "private" / file)
            for name, file in tls.items()
        }
        (folder / "cluster").mkdir()
        self.dask: Cluster = stack.enter_context(cluster(folder / "cluster", "tls", self.tls))

    def post(
        self, path: str, user: tuple[str, str] = ("admin", ADMIN), **content: Any
    ) -> dict[str, Any]:
        login = b64encode(":".join(user).encode()).decode()
        request = urllib.request.Request(
            f"{self.address}/api/{path}",
            json.dumps(content).encode(),
            {"Content-Type": "application/json", "Authorization": f"Basic {login}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def answers(self) -> bool:
        try:
            return bool(self.post("2.0/mlflow/experiments/search", max_results=1))
        except OSError:
            return False

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        """A worker in a folder that is its own, with its checkpoints and journals."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return self.dask.worker(
            folder=folder,
            MLFLOW_TRACKING_USERNAME="workers",
            MLFLOW_TRACKING_PASSWORD=WORKERS,
            FASHION_DROPOUT_STATE=str(folder / "state"),
        )

    def environment(self, password: str = ANN) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": "ann",
            "MLFLOW_TRACKING_PASSWORD": password,
            "FASHION_DROPOUT_STATE": str(self.folder / "state"),
            **self.tls,
        }

    def verb(self) -> tuple[str, ...]:
        return ("compare", "team.toml", "--scheduler", self.dask.address)

    @contextmanager
    def compare(self) -> Iterator[Compared]:
        """`compare` as ann types it, in a folder of her own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "fashion_dropout", *self.verb()],
            cwd=self.folder,
            env=clean_environment(PYTHONUNBUFFERED="1", **self.environment()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        found = Compared(process)
        try:
            yield found
        finally:
            process.kill()
            process.wait()
            found.reader.join()
            with (self.folder / "ann.log").open("a") as log:
                log.writelines(found.lines)


class Compared:
    """A `compare` whose lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.lines = process, list[str]()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, *words: str, times: int = 1) -> None:
        """Wait until so many more lines have one of these words."""
        before = len(self.lines)
        until = time.monotonic() + SECONDS
        while sum(any(map(line.__contains__, words)) for line in self.lines[before:]) < times:
            assert time.monotonic() < until, self.lines
            assert self.process.poll() is None, self.lines
            time.sleep(0.1)

    def ended(self) -> int:
        code = self.process.wait(SECONDS)
        self.reader.join()
        return code


def numbers(runs: list[mlflow.entities.Run]) -> dict[str, dict[str, float]]:
    return {
        run.info.run_name: {
            name: value for name, value in run.data.metrics.items() if not name.startswith(CLOCK)
        }
        for run in runs
        if run.info.status == "FINISHED"
    }


def holding_secrets(folder: Path) -> list[str]:
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file()
        and "private" not in path.parts
        and any(secret.encode() in path.read_bytes() for secret in SECRETS)
    ]


@pytest.mark.skipif(not programs_of_postgresql(), reason="no PostgreSQL on this machine")
def test_a_study_of_a_team_survives_the_death_of_worker_scheduler_and_database(
    tmp_path, monkeypatch
):
    text = STUDY.format(name="team", seeds=list(range(6)), epochs=4)
    (tmp_path / "team.toml").write_text(text, encoding="utf-8")
    serial = tmp_path / "serial"
    serial.mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(postgresql())
        team = Team(tmp_path, database, stack)
        wrong = run_here(*team.verb(), cwd=tmp_path, environment=team.environment("wrong-secret"))
        assert wrong.returncode == 1
        (line,) = wrong.stderr.splitlines()
        assert "401" in line
        assert "wrong-secret" not in line

        scheduler = team.dask.scheduler()
        workers = [team.worker(f"worker-{number}") for number in range(3)]
        with team.compare() as first:
            first.wait_for(": epoch 2/4", times=2)
            team.dask.kill(workers[0])
            team.worker("worker-0")
            first.wait_for("/12 cells", times=3)
            team.dask.kill(scheduler)
            assert first.ended() == 1
            assert any("received a lost connection, a restart" in line for line in first.lines)
        for worker in team.dask.processes[1:]:  # systemd ends what does not end by itself
            team.dask.kill(worker)

        team.dask.scheduler()
        for number in range(3):
            team.worker(f"worker-{number}")
        with team.compare() as second:
            second.wait_for(": epoch 2/4")
            database.kill()
            until = time.monotonic() + SECONDS
            while team.answers():
                assert time.monotonic() < until
            second.wait_for(": epoch ", "warning: ")  # training goes on, or waits for the store
            database.start()
            assert second.ended() == 0, second.lines
        for name, value in team.environment().items():
            monkeypatch.setenv(name, value)
        runs = cells(team.address, "team")
        assert finished(runs) == names(6)
        assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
        tagged = json.dumps([[run.data.tags, run.data.params] for run in runs])
        assert not any(secret in tagged for secret in SECRETS)
        together = numbers(runs)
    assert holding_secrets(tmp_path) == []
    alone = subprocess.run(
        [sys.executable, "-m", "fashion_dropout", "compare", "../team.toml", "--workers", "1"],
        cwd=serial, env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    assert together == numbers(cells(f"sqlite:///{serial / 'mlflow.db'}", "team"))
