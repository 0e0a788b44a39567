"""Promotion on real studies of generated images, each test in a copy of their store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from distributed import LocalCluster

from conftest import ROOT, clean_environment, run_command
from fashion_dropout.display import StudyLines
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.promotion import promote, rollback
from fashion_dropout.promotion.judgement import judge
from fashion_dropout.promotion.offer import read_offer
from fashion_dropout.promotion_file import Policy
from fashion_dropout.study import compare_study
from fashion_dropout.study_file import read_study
from fashion_dropout.tracking.registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]

MODEL = "fashion-mnist-cnn-synthetic"
GATE = """
largest_drift = 0
[floors]
accuracy = 0.1
calibration_error = 0.6
worst_class_recall = 0
[against_champion]
non_inferiority_margin = 0.005
smallest_improvement = 0.001
alpha = 0.05
mcnemar = "reported"
"""
POLICY = Policy.model_validate(tomllib.loads(GATE))
STUDY = """
name = "{name}"
question = "Is it promoted?"
dataset = "synthetic"
seeds = [0, 1]
[base]
epochs = {epochs}
learning_rate = 0.004
[regimes.none]
dropout = 0.0
[regimes.dropout]
dropout = 0.5
[decision]
primary = "gap/loss"
direction = "lower"
smallest_difference = 0.02
alpha = 0.05
baseline = "none"
[promotion]
undecided = "{undecided}"
"""


@dataclass(frozen=True)
class Studies:
    """Two finished studies in one store: of one epoch, and of five."""

    folder: Path
    weak: str
    strong: str

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, tensorflow: None) -> Iterator[Studies]:
    """They are run by a worker in this process, which need not import TensorFlow again."""
    folder = tmp_path_factory.mktemp("studies")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        with LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster:
            for name, epochs, undecided in (("weak", 1, "dropout"), ("strong", 5, "simpler")):
                text = STUDY.format(name=name, epochs=epochs, undecided=undecided)
                (folder / f"{name}.toml").write_text(text)
                study = read_study(folder / f"{name}.toml")
                outcome = compare_study(study, StudyLines(), scheduler=cluster.scheduler_address)
                assert not outcome.missing
                found[name] = outcome.run_id
        yield Studies(folder, **found)
        mlflow.set_tracking_uri("")


@pytest.fixture
def client(studies, workdir):
    """The client of a copy of the store; the artifacts are those of the studies themselves."""
    shutil.copy(studies.folder / "mlflow.db", workdir / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{workdir / 'mlflow.db'}")
    yield mlflow.MlflowClient()
    mlflow.end_run()
    mlflow.set_tracking_uri(studies.uri)


def promoted(study, policy=POLICY, **options):
    said = []
    outcome = promote.promote_study(study, policy, said.append, **options)
    return outcome, "\n".join(said)


def aliases(client):
    return {
        alias: str(number) for alias, number in client.get_registered_model(MODEL).aliases.items()
    }


def decisions(client):
    (experiment,) = client.search_experiments(filter_string="name = 'fashion-mnist-dropout'")
    return client.search_runs([experiment.experiment_id], "tags.role = 'promotion'")


def test_without_a_champion_the_floors_decide_and_everything_is_written_down(studies, client):
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
    assert "Not shown that dropout and none differ" in version.tags["verdict"]
    assert float(version.tags["best/val_loss"]) == pytest.approx(
        run.data.metrics["best/val_loss"], rel=1e-5
    )
    assert version.tags["gate.repeated_predictions"] == "passed: the same to the bit"
    assert len(version.description) < 5000
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


def test_of_two_runs_the_one_with_the_higher_loss_is_offered(studies, client):
    offer = read_offer(studies.strong)
    runs = offer.record.runs
    losses = runs[runs["regime"] == offer.choice.regime]["best/val_loss"]
    assert offer.choice.regime == "none"
    assert offer.run.data.metrics["best/val_loss"] == losses.max()


def test_a_better_model_takes_over_and_can_be_rolled_back_and_the_history_tells_it(studies, client):
    promoted(studies.weak)
    outcome, said = promoted(studies.strong)
    assert outcome.promoted
    assert "version 2" in outcome.text
    assert "version 1 is previous" in outcome.text
    assert "✓  not inferior" in said
    assert aliases(client) == {"champion": "2", "previous": "1"}
    newest = decisions(client)[0].data.metrics
    assert newest["gate/accuracy_difference"] > 0.001
    assert (newest["gate/gained"] - newest["gate/lost"]) / newest["gate/images"] == pytest.approx(
        newest["gate/accuracy_difference"]
    )
    assert rollback.roll_back(MODEL, "shirts are coats").startswith(
        f"rolled back: version 1 of {MODEL} is the champion again, version 2 is previous"
    )
    assert aliases(client) == {"champion": "1", "previous": "2"}
    rollback.roll_back(MODEL, "")
    assert aliases(client) == {"champion": "2", "previous": "1"}
    told = rollback.history(MODEL)
    head, *entries = told.split("\n\n")
    assert head == f"{MODEL}: champion = version 2, previous = version 1"
    assert [entry.partition("  ")[2].partition(",")[0] for entry in told.split("\n20")[1:]] == [
        "rolled back: version 2",
        "rolled back: version 1",
        "promoted: version 2",
        "promoted: version 1",
    ]
    assert "why: shirts are coats" in told
    assert "study strong-" in entries[0]


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
    assert outcome == promote.Outcome(True, f"version 1 of {MODEL} is the champion already")
    assert len(decisions(client)) == 1


def test_a_study_may_offer_nothing(studies, client):
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


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_model_is_refused_and_no_alias_moves(studies, client, damage):
    promoted(studies.weak)
    offer = read_offer(studies.strong)
    location = client.get_logged_model(offer.model_id).artifact_location
    weights = Path(location.removeprefix("file://")) / "data/model.keras"
    content = weights.read_bytes()
    try:
        if damage == "missing":
            weights.unlink()
        else:
            weights.write_bytes(content[:-5000] + b"x" + content[-4999:])
        with pytest.raises(TrackingError, match=r"expected the model m-\w+ to be whole, received"):
            promoted(studies.strong)
    finally:
        weights.write_bytes(content)
    assert aliases(client) == {"champion": "1"}
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 1


def test_lost_predictions_are_named(studies, client):
    offer = read_offer(studies.weak)
    path = Path(offer.run.info.artifact_uri.removeprefix("file://")) / "predictions.npz"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:1000])
        with pytest.raises(TrackingError, match=r"expected the predictions of run .*received"):
            promoted(studies.weak)
    finally:
        path.write_bytes(content)
    assert client.search_registered_models() == []


def test_an_unfinished_study_is_refused(studies, client):
    offer = read_offer(studies.weak)
    client.set_terminated(offer.run.info.run_id, "FAILED")
    with pytest.raises(UsageError, match=r"expected a finished study, .*1 of 4 cells without"):
        promoted(studies.weak)
    client.set_terminated(studies.strong, "KILLED")
    with pytest.raises(UsageError, match=r"expected a finished study, .* the status KILLED"):
        promoted(studies.strong)


def test_what_is_no_study_is_refused(studies, client):
    with pytest.raises(UsageError, match="expected the id of a run"):
        promoted("0" * 32)
    with pytest.raises(UsageError, match="expected the run of a study"):
        promoted(read_offer(studies.weak).run.info.run_id)


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
    studies, client, workdir, monkeypatch
):
    shutil.copy(workdir / "mlflow.db", workdir / "registry.db")
    read_only = f"sqlite:///file:{workdir / 'registry.db'}?mode=ro&uri=true"
    mlflow.set_registry_uri(read_only)
    try:
        with pytest.raises(TrackingError, match=r"expected a model registry .*readonly|read-only"):
            promoted(studies.weak)
    finally:
        mlflow.set_registry_uri("")
    (decision,) = decisions(client)
    assert decision.info.status == "FAILED"


def test_a_champion_that_changed_in_between_stops_the_promotion(studies, client):
    promoted(studies.weak)
    offer, models = read_offer(studies.strong), Registry(MODEL)
    judgement = judge(offer, models.version("champion"), POLICY, None)
    client.create_model_version(
        MODEL, client.get_model_version(MODEL, "1").source, tags={"study": "x"}
    )
    client.set_registered_model_alias(MODEL, "champion", "2")
    with pytest.raises(TrackingError, match=r"expected version 1 to be the champion .* version 2"):
        promote._carry_out(offer, judgement, models)
    assert aliases(client)["champion"] == "2"


def test_there_is_nothing_to_go_back_to_without_a_previous_champion(studies, client):
    with pytest.raises(UsageError, match=r"received no alias; there is nothing to go back to"):
        rollback.roll_back(MODEL, "")
    with pytest.raises(UsageError, match=r"expected a promotion .* received none"):
        rollback.history(MODEL)
    promoted(studies.weak)
    with pytest.raises(UsageError, match="received champion = version 1; there is nothing"):
        rollback.roll_back(MODEL, "")


def test_the_command_ends_with_3_when_a_model_is_held_back(studies, client, workdir):
    held = run_command(
        "promote", studies.weak, "--policy", str(ROOT / "experiments/promotion.toml"), cwd=workdir
    )
    assert held.returncode == 3, held.stderr
    assert "held back: version 1" in held.stdout
    assert held.stderr == ""
    nothing = run_command("promote", cwd=workdir)
    assert nothing.returncode == 2
    assert "expected one of STUDY, --rollback and --history" in nothing.stderr


@pytest.mark.parametrize("moment", ["registered", "decided", "previous"])
def test_a_promotion_killed_half_way_leaves_one_champion_that_loads(
    studies, client, workdir, moment
):
    promoted(studies.weak)
    (workdir / "gate.toml").write_text(GATE)
    arguments = ("promote", studies.strong, "--policy", "gate.toml")
    process = subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", *arguments], cwd=workdir, env=clean_environment()
    )
    reached = {
        "registered": lambda: len(client.search_model_versions(f"name = '{MODEL}'")) == 2,
        "decided": lambda: "challenger" in aliases(client),
        "previous": lambda: "previous" in aliases(client),
    }[moment]
    while not reached():
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert aliases(client)["champion"] in ("1", "2")
    mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    again = run_command(*arguments, cwd=workdir)
    assert again.returncode == 0, again.stderr
    assert aliases(client) == {"champion": "2", "previous": "1"}
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 2
