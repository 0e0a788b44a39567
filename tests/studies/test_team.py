"""A team: one study of several people on one server."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mlflow
import pytest

from claimed import FAR
from conftest import clean_environment
from fashion_dropout.config.study import read_study
from fashion_dropout.tracking.recording.processes import HOST
from study_text import study_text
from tracking_server import tracking_server

pytestmark = [pytest.mark.slow, pytest.mark.long]
RULE = {"primary": "val/accuracy", "direction": "higher", "smallest_difference": 1e-9}
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
        text = study_text(name, seeds, {"epochs": 2, "learning_rate": 0.004}, RULE)
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
                "study.cell": "none-seed1",
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
