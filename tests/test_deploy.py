"""The examples of `deploy/`: what they share with the program. Nobody here can start them all."""

from __future__ import annotations

import configparser
import re
import tomllib

import pytest
import yaml

from conftest import ROOT
from fashion_dropout import environment

DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


def test_the_versions_are_those_of_the_program():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = set(pyproject["tool"]["uv"]["constraint-dependencies"])
    named = {
        found.replace("[auth]", "").replace("psycopg[binary]", "psycopg")
        for path in FILES
        for found in re.findall(r'"([a-z-]+(?:\[\w+\])?==[\d.]+)"', path.read_text("utf-8"))
    }
    assert {pin.split("==")[0] for pin in named} == {"mlflow", "psycopg", "sqlalchemy"}
    assert named <= pins


def test_the_server_listens_to_its_own_machine_only():
    compose = yaml.safe_load((DEPLOY / "server/compose.yaml").read_text(encoding="utf-8"))
    published = [port for of in compose["services"].values() for port in of.get("ports", [])]
    assert published == ["127.0.0.1:5000:5000"]
    assert "--host 127.0.0.1" in (DEPLOY / "server/mlflow.service").read_text(encoding="utf-8")
    example = (DEPLOY / "server/server.env.example").read_text(encoding="utf-8")
    for name in ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"):
        assert f"{name}={environment.FOR_UI[name]}" in example


@pytest.mark.parametrize(
    "name", ["cluster/dask-worker@.service", "cluster/kubernetes.py", "cluster/Dockerfile"]
)
def test_every_worker_has_one_thread(name):
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert re.search(r"--nthreads\W+1\b", text)


def test_no_example_has_a_password():
    for path in FILES:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := re.search(r"(?:PASSWORD|SECRET_KEY)=(.+)", line):
                assert found[1] == "change-me", path


def test_pages_behind_the_proxy_may_ask_the_server():
    example = (DEPLOY / "server/server.env.example").read_text(encoding="utf-8")
    set_to = dict(re.findall(r"^(MLFLOW_SERVER_\w+)=(.*)$", example, re.M))
    hosts = set_to["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    proxies = {f"https://{host}" for host in hosts if not host.endswith(":*")}
    assert proxies
    assert set(set_to["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")) == proxies


@pytest.mark.parametrize(
    "name",
    [
        *("deploy/cluster/dask-worker@.service", "deploy/cluster/kubernetes.py"),
        *("deploy/cluster/Dockerfile", "docs/team.md", "docs/reproducibility.md"),
    ],
)
def test_no_worker_has_a_share_of_the_memory_as_its_limit(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    started = len(re.findall(r"--nthreads\W+1 *\W+--memory-limit\W+0\b", text))
    assert started == len(re.findall(r"\bworker\b[^\n]*(?:\n +)?--nthreads\W+1\b", text)) == 1


def test_what_a_worker_writes_is_where_its_unit_lets_it_write():
    unit = (DEPLOY / "cluster/dask-worker@.service").read_text(encoding="utf-8")
    assert "ProtectHome=true" in unit
    (folder,) = re.findall(r"^StateDirectory=(.+)$", unit, re.M)
    example = (DEPLOY / "cluster/cluster.env.example").read_text(encoding="utf-8")
    for name in ("FASHION_DROPOUT_STATE", "XDG_CACHE_HOME"):
        assert re.search(rf"^{name}=/var/lib/{folder}/", example, re.M), name


def test_nobody_but_the_owner_of_a_certificate_reaches_a_scheduler_that_others_are_near():
    slurm = (DEPLOY / "cluster/slurm.py").read_text(encoding="utf-8")
    assert "Security(require_encryption=True)" in slurm
    assert re.search(r"^    security=security,$", slurm, re.M)
    unit = (DEPLOY / "cluster/dask-scheduler.service").read_text(encoding="utf-8")
    assert "--protocol tls" in unit
    for page in ("README.md", "README.ja.md"):
        assert "NetworkPolicy" in (DEPLOY / page).read_text(encoding="utf-8")


def test_jobs_of_slurm_that_have_ended_are_replaced():
    slurm = (DEPLOY / "cluster/slurm.py").read_text(encoding="utf-8")
    _, _, loop = slurm.partition("while True:")
    assert re.search(r"if len\(cluster\.workers\) < .*\n +cluster\.scale\(", loop)


def test_passwords_stand_in_the_one_file_that_only_its_owner_reads():
    for name in ("server.env.example", "basic-auth.ini.example"):
        text = (DEPLOY / "server" / name).read_text(encoding="utf-8")
        assert re.search(r"://mlflow@", text)
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text), name
    assert "change-me" not in text


@pytest.mark.parametrize("page", ["README.md", "README.ja.md"])
def test_no_password_is_an_argument_of_a_command(page):
    text = (DEPLOY / page).read_text(encoding="utf-8")
    for line in text.replace("\\\n", "").splitlines():
        for command in line.split(" | "):
            assert not re.match(r"(?!printf).*[\"'](?:password)[\"']: *[\"'](?!%s)", command), line
    assert "change-me-please" not in text


def test_git_knows_nothing_of_passwords_and_keys():
    made = ("server/server.env", "server/basic-auth.ini", "certificates/ca.key", "cluster.env")
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    for name in made:
        lines = {f"/deploy/{name}", f"/deploy/{name.partition('/')[0]}/", f"/deploy/**/{name}"}
        assert lines & set(ignored), name


def test_the_server_remembers_passwords_for_a_while():
    example = (DEPLOY / "server/basic-auth.ini.example").read_text(encoding="utf-8")
    users = configparser.ConfigParser()
    users.read_string(example)
    assert 0 < users.getint("mlflow", "auth_cache_ttl_seconds") <= 60


def test_postgresql_has_the_connections_of_as_many_processes_as_the_page_advises():
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    processes = max(map(int, re.findall(r"mlflow server --workers (\d+)", page)))
    statements = (DEPLOY / "server/users.sql").read_text(encoding="utf-8")
    (connections,) = re.findall(r"max_connections = (\d+);", statements)
    assert int(connections) > processes * 3 * (5 + 10)  # engines, their pools, and the overflow


def test_the_image_has_compiled_what_its_user_cannot_compile():
    image = (DEPLOY / "cluster/Dockerfile").read_text(encoding="utf-8")
    assert "--compile-bytecode" in image or "USER" not in image
