"""Promotion on real studies of generated images, each test in a copy of their store."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, clean_environment, run_command
from fashion_dropout.errors import TrackingError
from fashion_dropout.promotion.candidate import read_candidate
from fashion_dropout.promotion.decision import decide
from fashion_dropout.promotion.history import describe_history
from fashion_dropout.promotion.promote import Outcome, carry_out
from fashion_dropout.tracking.models.registry import Registry
from fashion_dropout.tracking.recording.recovery import WHY
from promotion.recorded_studies import GATE, MODEL, POLICY, aliases, decisions, promoted

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

KILLED = """
import os, signal, sys
from fashion_dropout.cli import main
from fashion_dropout.tracking.models.registry import Registry

method, alias, *arguments = sys.argv[1:]
original = getattr(Registry, method)

def killed_after(self, *given):
    result = original(self, *given)
    if alias in ("", given[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(Registry, method, killed_after)
main(arguments)
"""
"""The command `promote`, which kills itself after one call of a method of `Registry`."""


def test_without_a_champion_the_floors_decide_and_everything_is_recorded(studies, client):
    outcome, said = promoted(studies.weak)
    assert outcome.promoted
    assert outcome.text.startswith(f"promoted: version 1 of {MODEL} is the champion;")
    assert "the verdict names none, and the study declares this one" in said
    assert aliases(client) == {"champion": "1"}
    version = client.get_model_version(MODEL, "1")
    run = client.get_run(version.run_id)
    assert version.tags["study.run"] == studies.weak
    assert version.tags["regime"] == run.data.tags["regime"] == "dropout"
    assert version.tags["seed"] == run.data.params["seed"]
    assert version.tags["dataset.sha256"] == run.data.tags["dataset.sha256"]
    assert "It is not shown that dropout changes the generalization gap" in version.tags["verdict"]
    assert float(version.tags["best/val_loss"]) == pytest.approx(
        run.data.metrics["best/val_loss"], rel=1e-5
    )
    assert version.tags["gate.repeated_predictions"] == "passed: the same to the bit"
    assert len(version.description) < 5000
    assert not version.description.endswith("…"), "the card was cut"
    assert f"# {MODEL}: dropout, seed {run.data.params['seed']}" in version.description
    (decision,) = decisions(client)
    assert decision.info.status == "FINISHED"
    assert decision.data.tags["decision"] == "promoted"
    assert version.tags["decision.run"] == decision.info.run_id
    assert decision.data.metrics["gate/accuracy"] == run.data.metrics["best/val_accuracy"]
    names = {found.path for found in client.list_artifacts(decision.info.run_id)}
    assert names == {"MODEL_CARD.md", "MODEL_CARD.ja.md", "decision.json"}
    stored = Path(client.download_artifacts(decision.info.run_id, "decision.json"))
    assert [check["passed"] for check in json.loads(stored.read_text())["checks"]] == [True] * 5
    loaded = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}@champion"))
    assert (loaded / "MODEL_CARD.ja.md").read_text(encoding="utf-8").startswith("# ")
    assert mlflow.pyfunc.load_model(str(loaded)).metadata.signature is not None


def test_a_worse_model_is_held_back_as_the_challenger(studies, client):
    promoted(studies.strong)
    outcome, said = promoted(studies.weak)
    assert not outcome.promoted
    assert outcome.text.startswith(
        f"held back: version 2 of {MODEL} is the challenger; not inferior"
    )
    assert "✗  improvement" in said
    assert aliases(client) == {"champion": "1", "challenger": "2"}
    version = client.get_model_version(MODEL, "2")
    assert version.tags["decision"] == "held back"
    assert version.tags["gate.improvement"].startswith("failed: -")
    assert version.description.startswith("**held back**: not inferior")
    again, _ = promoted(studies.weak)
    assert "version 2" in again.text
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 2


def test_a_model_below_a_floor_is_held_back_even_without_a_champion(studies, client):
    floors = POLICY.floors.model_copy(update={"accuracy": 0.99})
    outcome, _ = promoted(studies.weak, POLICY.model_copy(update={"floors": floors}))
    assert not outcome.promoted
    assert "accuracy: expected at least 0.9900, received 0." in outcome.text
    assert aliases(client) == {"challenger": "1"}


def test_the_champion_itself_stays_and_nothing_is_written(studies, client):
    promoted(studies.weak)
    client.set_registered_model_alias(MODEL, "challenger", "1")  # as a kill could leave it
    outcome, _ = promoted(studies.weak)
    assert aliases(client) == {"champion": "1"}
    assert outcome == Outcome(True, f"version 1 of {MODEL} is the champion already")
    assert len(decisions(client)) == 1


def test_a_study_may_have_no_candidate(studies, client):
    run = client.get_run(studies.weak)
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "study.json"
    declared = path.read_text()
    try:
        path.write_text(declared.replace('"undecided": "dropout"', '"undecided": "nothing"'))
        outcome, _ = promoted(studies.weak)
    finally:
        path.write_text(declared)
    assert not outcome.promoted
    assert "the study declares to offer none then" in outcome.text
    assert client.search_registered_models() == []


def test_a_dry_run_decides_and_writes_nothing(studies, client, workdir):
    before = (workdir / "mlflow.db").read_bytes()
    outcome, said = promoted(studies.weak, dry_run=True)
    assert outcome.promoted
    assert outcome.text.startswith("would be promoted (nothing was written)")
    assert "✓  repeated predictions" in said
    assert (workdir / "mlflow.db").read_bytes() == before


def test_other_validation_images_than_the_champions_are_no_comparison(studies, client):
    promoted(studies.weak)
    champion = client.get_model_version(MODEL, "1")
    client.set_tag(champion.run_id, "split.sha256", "another")
    outcome, _ = promoted(studies.strong)
    assert not outcome.promoted
    assert "same images: expected dataset and split of version 1, received others" in outcome.text
    assert aliases(client) == {"champion": "1", "challenger": "2"}


def test_a_registered_model_of_another_project_is_left_alone(studies, client):
    client.create_registered_model(MODEL)
    with pytest.raises(TrackingError, match=r"expected the registered model .* this project's"):
        promoted(studies.weak)
    outcome, _ = promoted(studies.weak, model_name="another-name")
    assert "version 1 of another-name" in outcome.text


def test_a_champion_of_another_project_is_left_alone(studies, client):
    promoted(studies.weak)
    source = client.get_model_version(MODEL, "1").source
    client.create_model_version(MODEL, source)
    client.set_registered_model_alias(MODEL, "champion", "2")
    with pytest.raises(TrackingError, match="received version 2 without the tag study"):
        promoted(studies.strong)
    assert aliases(client) == {"champion": "2"}


def test_a_registry_that_cannot_be_written_is_named_and_the_decision_has_failed(
    studies, client, workdir
):
    shutil.copy(workdir / "mlflow.db", workdir / "registry.db")
    read_only = f"sqlite:///file:{workdir / 'registry.db'}?mode=ro&uri=true"
    mlflow.set_registry_uri(read_only)
    try:
        refusal = rf"^expected a model registry at .* that lets {MODEL} be .*(readonly|read-only)"
        with pytest.raises(TrackingError, match=refusal):
            promoted(studies.weak)
    finally:
        mlflow.set_registry_uri("")
    (decision,) = decisions(client)
    assert decision.info.status == "FAILED"


def test_a_champion_that_changed_in_between_stops_the_promotion(studies, client):
    promoted(studies.weak)
    candidate, models = read_candidate(studies.strong), Registry(MODEL)
    decision = decide(candidate, models.version("champion"), POLICY, None)
    client.create_model_version(
        MODEL, client.get_model_version(MODEL, "1").source, tags={"study": "x"}
    )
    client.set_registered_model_alias(MODEL, "champion", "2")
    with pytest.raises(TrackingError, match=r"expected version 1 to be the champion .* version 2"):
        carry_out(candidate, decision, models)
    assert aliases(client)["champion"] == "2"


def test_the_command_ends_with_3_when_a_model_is_held_back(studies, client, workdir):
    policy = str(ROOT / "experiments/promotion.toml")
    not_given = ("--model-name", "", "--data-dir", "")  # as MLproject passes it
    held = run_command("promote", studies.weak, "--policy", policy, *not_given, cwd=workdir)
    assert held.returncode == 3, held.stderr
    assert f"held back: version 1 of {MODEL}" in held.stdout
    assert held.stderr == ""


@pytest.mark.parametrize(
    ("method", "alias", "left"),
    [
        ("register", "", {"champion": "1"}),
        ("set_alias", "challenger", {"champion": "1", "challenger": "2"}),
        ("set_alias", "previous", {"champion": "1", "challenger": "2", "previous": "1"}),
        ("set_alias", "champion", {"champion": "2", "challenger": "2", "previous": "1"}),
    ],
)
def test_a_promotion_killed_half_way_leaves_one_champion_that_loads(
    studies, client, workdir, method, alias, left
):
    promoted(studies.weak)
    (workdir / "gate.toml").write_text(GATE)
    arguments = ("promote", studies.strong, "--policy", "gate.toml")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, method, alias, *arguments],
        cwd=workdir,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 2
    assert aliases(client) == left
    mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    told = describe_history(MODEL).split("\n\n")[1]
    moved = ", when the aliases had moved" if alias == "champion" else ""
    assert f"  killed{moved}: version " in told
    assert WHY in told
    outcome, _ = promoted(studies.strong)
    assert outcome.promoted
    assert aliases(client) == {"champion": "2", "previous": "1"}
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 2
    states = [run.info.status for run in decisions(client)]
    assert states.count("KILLED") == 1
    assert "RUNNING" not in states


def test_three_promotions_of_one_candidate_at_once_leave_one_champion_and_no_challenger(
    studies, client, workdir
):
    promoted(studies.weak)
    (workdir / "gate.toml").write_text(GATE)
    command = [sys.executable, "-m", "fashion_dropout", "promote", studies.strong]
    started = [
        subprocess.Popen(
            [*command, "--policy", "gate.toml"],
            cwd=workdir,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ends = [(process.communicate(timeout=300), process.returncode) for process in started]
    assert [code for _, code in ends] == [0, 0, 0], ends
    assert aliases(client) == {"champion": "2", "previous": "1"}
    said = "".join(output for (output, _), _ in ends)
    assert said.count("promoted: version 2") == 1
    assert [run.info.status for run in decisions(client)] == ["FINISHED", "FINISHED"]


def test_a_version_that_another_study_has_registered_says_where_it_comes_from_now(studies, client):
    """Studies share runs: what one has run, another takes over."""
    candidate = read_candidate(studies.strong)
    other = {"study": "earlier-0", "study.run": "e" * 32, "verdict": "It is not shown."}
    before = {**candidate.version_tags, **other}
    Registry(MODEL).register(candidate.run.info.run_id, candidate.model_id, before)
    outcome, _ = promoted(studies.strong)
    assert outcome.text.startswith(f"promoted: version 1 of {MODEL}")
    version = client.get_model_version(MODEL, "1")
    assert {name: version.tags[name] for name in other} == {
        name: candidate.version_tags[name] for name in other
    }
