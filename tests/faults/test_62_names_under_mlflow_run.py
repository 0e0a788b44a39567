"""Row 62: a parameter that MLproject does not declare is refused, with the name to write."""

from __future__ import annotations

import mlflow
import pytest
import yaml

from conftest import ROOT
from fashion_dropout.cli import main
from fashion_dropout.commands.launched import _ENTRY_POINTS

ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]


def words(entry_point: str, **extra: str) -> list[str]:
    """The words that ``mlflow run -P …`` calls the program with: extra ones come last."""
    declared = ENTRY_POINTS[entry_point]
    values = {name: str(of.get("default", "0" * 32)) for name, of in declared["parameters"].items()}
    command = declared["command"].split()[2:]
    return [word.format(**values) for word in command] + [
        word for name, value in extra.items() for word in (f"--{name}", value)
    ]


@pytest.fixture
def launched(store, monkeypatch) -> str:
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    return run_id


@pytest.mark.parametrize(
    ("entry_point", "typed", "advice"),
    [
        ("main", "learning-rate", "write learning_rate"),
        ("main", "batchsize", "write batch_size"),
        ("main", "Dropout", "write dropout"),
        ("main", "lr", "leave it out"),
        ("main", "workers", "leave it out"),
        ("compare", "data-dir", "write data_dir"),
        ("report", "Study", "write study"),
        ("promote", "model-name", "write model_name"),
        ("verify", "runid", "write run_id"),
    ],
)
def test_the_line_has_the_name_to_write(launched, capsys, entry_point, typed, advice):
    with pytest.raises(SystemExit) as ended:
        main(words(entry_point, **{typed: "0.01"}))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: expected a parameter of MLproject (")
    assert line.endswith(f"received '{typed}'; {advice}")
    for name in ENTRY_POINTS[entry_point]["parameters"]:
        assert name in line
    run = mlflow.get_run(launched)
    assert run.info.status == "FAILED"
    assert advice in run.data.tags["error"]


@pytest.mark.parametrize("entry_point", ["main", "compare"])
def test_the_experiment_is_the_one_of_the_launcher(launched, capsys, entry_point):
    """`-P experiment-name=…` was taken and had no effect: the run is in its experiment already."""
    with pytest.raises(SystemExit) as ended:
        main(words(entry_point, **{"experiment-name": "mine"}))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "received 'mine'; write `mlflow run --experiment-name`, without -P" in line
    assert mlflow.get_run(launched).info.status == "FAILED"


def test_outside_of_mlflow_run_the_last_option_counts_as_everywhere(workdir, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--learning-rate", "0.1", "--learning-rate", "0"])
    assert ended.value.code == 2
    assert "expected a finite number greater than 0, received '0'" in capsys.readouterr().err


def test_the_verbs_that_mlproject_calls_are_known():
    assert {"train" if name == "main" else name for name in ENTRY_POINTS} == set(_ENTRY_POINTS)


@pytest.mark.parametrize("verb", ["train", "compare", "ui", "judge"])
def test_to_ask_for_help_is_no_parameter_and_ends_no_run(launched, capsys, verb):
    main([verb, "--help"])
    assert f"Usage: fashion-dropout {verb}" in capsys.readouterr().out
    assert mlflow.get_run(launched).info.status == "RUNNING"


def test_a_verb_that_mlproject_does_not_call_takes_an_option_twice(launched, capsys):
    rule = ("--baseline", "none", "--metric", "loss", "--smallest-difference", "1")
    with pytest.raises(SystemExit) as ended:
        main(["judge", "none.csv", *rule, "--guard", "a=1", "--guard", "b=1"])
    assert ended.value.code == 2
    assert "expected a table none.csv" in capsys.readouterr().err
