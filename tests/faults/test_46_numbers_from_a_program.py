"""Row 46: 2.0 is the whole number 2 and True is yes, wherever the value is meant exactly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import mlflow
import pytest

from conftest import ROOT
from fashion_dropout.cli import cli, main
from fashion_dropout.config.study import read_study
from fashion_dropout.config.training import TrainingConfig, parse_parameter, recorded_config
from fashion_dropout.config.values import plain
from fashion_dropout.errors import TrackingError, UsageError
from fashion_dropout.tracking.recording.launched import parameters_to_log
from fashion_dropout.tracking.store.finished import missing_parts

SMOKE = ROOT / "experiments/dropout/smoke.toml"


@pytest.mark.parametrize("text", ["2", "2.0", "2.00", "2e0", "0.2e1", "+2", " 2.0 "])
def test_a_whole_number_may_be_written_as_programs_do(text):
    assert parse_parameter("seed", text) == 2
    assert type(parse_parameter("seed", text)) is int
    assert recorded_config({"seed": text, "epochs": "'3.0'"}) == TrainingConfig(seed=2, epochs=3)
    assert plain(text) == "2"


@pytest.mark.parametrize(
    "text", ["2.5", "2.0000000001", "true", "1e999999999", "9" * 5_000, "2,0", "two", "", "nan"]
)
def test_what_is_not_exactly_a_whole_number_is_refused(text):
    with pytest.raises(UsageError, match="expected a whole number from 0 to 4294967295, received"):
        parse_parameter("seed", text)


def parsed(*arguments: str) -> dict[str, object]:
    verb = cli.commands[arguments[0]]
    return verb.make_context(arguments[0], list(arguments[1:])).params


@pytest.mark.parametrize(
    ("words", "fresh"),
    [
        *(([f"--fresh={word}"], True) for word in ("True", "true", "YES", "yes", "on", "1")),
        *((["--fresh", word], False) for word in ("False", "no", "No", "off", "0", "")),
        (["--fresh"], True),
        (["--fresh", "--seed", "2.0"], True),
        ([], False),
    ],
)
def test_a_switch_takes_what_programs_call_true_and_false(words, fresh):
    assert parsed("train", *words)["fresh"] is fresh


def test_a_switch_may_stand_before_a_study_and_workers_are_whole():
    assert parsed("compare", "--fresh", "a.toml")["fresh"] is True
    assert parsed("compare", "--fresh", "False", "a.toml", "--workers", "2.0") | {} == {
        **parsed("compare", "a.toml", "--workers", "2"),
        "fresh": False,
    }
    with pytest.raises(click.BadParameter):
        parsed("compare", "a.toml", "--workers", "1.5")


@pytest.mark.parametrize(
    "words",
    [("train", "--fresh", "maybe"), ("train", "--fresh", "None"), ("compare", "a", "--fresh=2")],
)
def test_another_word_for_a_switch_gets_a_line_that_says_what_is_taken(workdir, capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected yes or no (true, on, 1; false, off, 0), received" in line


def test_a_study_file_takes_the_same_numbers_and_keeps_its_key(tmp_path):
    text = SMOKE.read_text(encoding="utf-8")
    changed = text.replace("[0, 1, 2]", "[0.0, '1', 2.0]").replace("epochs = 3", "epochs = 3.0")
    changed = changed.replace("dropout = 0.0", "dropout = 0").replace(
        "alpha = 0.05", "alpha = '5e-2'"
    )
    assert changed.count(".0") >= 3
    (tmp_path / "smoke.toml").write_text(changed, encoding="utf-8")
    assert read_study(tmp_path / "smoke.toml").key == read_study(SMOKE).key


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("[0, 1, 2]", "[0, true, 2]", "seeds.1: expected a number, received True"),
        ("epochs = 3", "epochs = true", "epochs: expected a whole number from 1"),
        ("learning_rate = 0.004", "learning_rate = true", "learning_rate: expected a finite"),
        ("smallest_difference = 0.01", "smallest_difference = true", "received True"),
    ],
)
def test_true_is_no_number_in_a_study_file(tmp_path, old, new, place):
    path = tmp_path / "smoke.toml"
    path.write_text(SMOKE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        read_study(path)
    assert place in str(refused.value)


def recorded(**params: str) -> mlflow.entities.Run:
    """A run as `mlflow run` leaves it, with its parameters as typed."""
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    for name, text in params.items():
        client.log_param(run_id, name, text)
    return client.get_run(run_id)


@pytest.mark.usefixtures("store")
def test_what_was_recorded_as_typed_is_the_same_value():
    run = recorded(seed="2.0", epochs="1e1", dropout="5e-1", select="best", data_dir="''")
    config = {"seed": 2, "epochs": 10, "dropout": 0.5, "select": "best", "threads": 1}
    assert parameters_to_log(run, config) == {"threads": 1}
    for name, other in {"seed": 3, "dropout": 0.25, "select": "last"}.items():
        with pytest.raises(TrackingError, match=f"expected parameter {name} of run"):
            parameters_to_log(run, {**config, name: other})
    run = recorded(augment="shift:2.0+flip:0.5")
    assert parameters_to_log(run, {"augment": "flip+shift"}) == {}
    with pytest.raises(TrackingError, match="expected parameter augment of run"):
        parameters_to_log(run, {"augment": "flip+shift:3"})


@pytest.mark.usefixtures("store")
def test_a_finished_run_of_10e0_epochs_is_complete():
    client, run = mlflow.MlflowClient(), recorded(epochs="2.0")
    client.log_metric(run.info.run_id, "val/loss", 0.4, step=2)
    client.log_metric(run.info.run_id, "test/accuracy", 0.9, step=2)
    assert missing_parts(client.get_run(run.info.run_id)) == ["a model"]


@pytest.mark.slow
def test_a_program_launches_the_project_with_its_own_values(workdir, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{workdir / 'mlflow.db'}")
    try:
        parameters = {"seed": 2.0, "epochs": 1.0, "fresh": True, "dataset": "synthetic"}
        done = mlflow.projects.run(str(ROOT), parameters=parameters, env_manager="local")
        run = mlflow.get_run(done.run_id)
    finally:
        mlflow.set_tracking_uri(before)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "dropout-seed2-synthetic"
    assert (run.data.params["seed"], run.data.params["fresh"]) == ("2.0", "True")
    assert missing_parts(run) == []
