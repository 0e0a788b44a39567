"""The examples of `deploy/`: what they share with the program. Nobody here can start them all."""

from __future__ import annotations

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
