"""Row 43: MLFLOW_RUN_ID is left over in a shell, or a platform has set it."""

from __future__ import annotations

import mlflow
import pytest
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from conftest import ROOT
from fashion_dropout.cli import main
from fashion_dropout.config.study import read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.tracking.recording.outbox import HeldError, Journal, journals
from fashion_dropout.tracking.recording.processes import this_process
from fashion_dropout.tracking.recording.run import tracked_run
from recorded import record_study

SMOKE = str(ROOT / "experiments/dropout/smoke.toml")
TRAIN = ("train", "--dataset", "synthetic", "--epochs", "1")
OURS = {"role": "run", "regime": "dropout", "bits.sha256": "a"}


@pytest.fixture(autouse=True)
def own_state(store, workdir, monkeypatch):
    monkeypatch.setenv("FASHION_DROPOUT_STATE", str(workdir / "state"))


@pytest.fixture
def left_over(monkeypatch):
    """Let MLFLOW_RUN_ID name a run."""

    def name(run_id: str) -> str:
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
        return run_id

    return name


def all_runs() -> dict[str, dict]:
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return {run.info.run_id: run.to_dictionary() for run in found}


def created(status: str = "RUNNING", **tags: str) -> str:
    client = mlflow.MlflowClient()
    run_id = client.create_run("0", tags=tags).info.run_id
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    return run_id


def opened():
    return tracked_run(name="n", description="d", params={}, tags=OURS)


@pytest.mark.usefixtures("tensorflow")
def test_no_verb_touches_a_run_that_has_ended(left_over, capsys):
    study = record_study(read_study(ROOT / "experiments/dropout/smoke.toml"))
    left_over(study)
    before = all_runs()
    for verb in (
        TRAIN,
        (*TRAIN, "--fresh"),
        ("compare", SMOKE),
        ("promote", study, "--policy", str(ROOT / "experiments/promotion.toml")),
    ):
        with pytest.raises(SystemExit) as end:
            main(list(verb))
        said = capsys.readouterr().err
        assert end.value.code == 2, said
        (line,) = said.splitlines()
        assert line.startswith("Error: expected MLFLOW_RUN_ID to name a run that was made for this")
        assert f"{study}, which has ended as FINISHED; type `unset MLFLOW_RUN_ID`" in line
        assert all_runs() == before


def test_a_verb_that_fails_leaves_a_run_alone_that_another_process_trains(left_over):
    left_over(created(**{**OURS, **this_process()}))
    before = all_runs()
    with pytest.raises(SystemExit) as end:
        main(["verify", "0" * 32])
    assert end.value.code == 2
    assert all_runs() == before


def parent() -> str:
    run_id = created()
    created(**{MLFLOW_PARENT_RUN_ID: run_id})
    return run_id


def measured() -> str:
    run_id = created()
    mlflow.MlflowClient().log_metric(run_id, "loss", 0.5)
    return run_id


def deleted() -> str:
    run_id = created()
    mlflow.delete_run(run_id)
    return run_id


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: "0" * 32, "is not in sqlite:///"),
        (lambda: "../'\n%", "is not in sqlite:///"),
        (deleted, "was deleted"),
        (parent, "is the parent of other runs"),
        (measured, "has begun"),
        (lambda: created("FAILED"), "has ended as FAILED"),
        (lambda: created(role="promotion"), "has begun"),
        (lambda: created("KILLED", **{**OURS, "bits.sha256": "b"}), "another command has begun"),
        (lambda: created("FINISHED", **OURS), "has ended as FINISHED"),
        (lambda: created(**{**OURS, **this_process()}), "process "),
        (lambda: created(**{**OURS, **this_process(), "process.host": "old"}), " on old has begun"),
    ],
)
def test_what_is_not_the_launchers_fresh_run_is_refused_and_left_as_it_is(left_over, make, why):
    left_over(make())
    before = all_runs()
    with pytest.raises(UsageError, match="expected MLFLOW_RUN_ID to name") as refused, opened():
        pass
    assert why in str(refused.value)
    assert all_runs() == before


@pytest.mark.parametrize(
    "make",
    [
        created,
        lambda: created(**{**OURS, **this_process(), "process.started": "1.00"}),
        lambda: created("KILLED", **{**OURS, **this_process()}),
        lambda: created("FAILED", **{**OURS, **this_process()}),  # the launcher's word for KILLED
    ],
    ids=["fresh", "killed -9", "stopped", "stopped under the launcher"],
)
def test_a_fresh_run_and_the_same_commands_interrupted_one_are_used(left_over, make):
    run_id = left_over(make())
    with opened() as run:
        assert run.run_id == run_id
    assert mlflow.get_run(run_id).info.status == "FINISHED"


def test_of_two_processes_that_are_given_the_same_run_the_second_leaves_it_alone(left_over):
    run_id = left_over(created())
    about = {"store": "sqlite:///x", "name": "a run", **this_process()}
    held = Journal(journals() / run_id, about)
    before = all_runs()
    with pytest.raises(HeldError), opened():
        pass
    assert all_runs() == before
    held.close(remove=True)
