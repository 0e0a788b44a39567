from __future__ import annotations

import pytest
from pydantic import ValidationError

from fashion_dropout.config.training import (
    TrainingConfig,
    expected,
    parse_parameter,
    recorded_config,
)
from fashion_dropout.config.vary import SOURCES
from fashion_dropout.errors import UsageError

BAD = [
    ("dropout", "1.0"),
    ("dropout", "-0.1"),
    ("dropout", "nan"),
    ("dropout", "inf"),
    ("dropout", "abc"),
    ("dropout", ""),
    ("seed", "-1"),
    ("seed", "1.5"),
    ("seed", "4294967296"),
    ("epochs", "0"),
    ("epochs", "2.5"),
    ("batch_size", "0"),
    ("batch_size", "many"),
    ("batch_size", "9223372036854775807"),
    ("epochs", "9223372036854775807"),
    ("threads", "9223372036854775807"),
    ("learning_rate", "0"),
    ("learning_rate", "-0.1"),
    ("learning_rate", "inf"),
    ("learning_rate", "nan"),
    ("select", "worst"),
    ("dataset", "mnist"),
    ("split_seed", "-1"),
    ("threads", "0"),
    ("label_smoothing", "1"),
    ("label_smoothing", "-0.1"),
    ("weight_decay", "-0.1"),
    ("weight_decay", "inf"),
    ("schedule", "linear"),
    ("warmup_epochs", "-1"),
    ("warmup_epochs", "0.5"),
    ("average", "swa"),
    ("patience", "-1"),
    ("vary", ""),
    ("vary", "init+weights"),
    ("vary", "init+init"),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_is_refused_with_what_was_expected_and_received(name, text):
    with pytest.raises(UsageError) as refused:
        parse_parameter(name, text)
    assert expected(name) in str(refused.value)
    assert repr(text) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("dropout", "0", 0.0), ("dropout", "0.50", 0.5), ("seed", "0", 0), ("epochs", "7", 7)],
)
def test_a_good_value_comes_back_in_its_type(name, text, value):
    parsed = parse_parameter(name, text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_every_field_says_what_it_is_and_what_it_must_be():
    for name, field in TrainingConfig.model_fields.items():
        assert field.description.endswith(".")
        assert expected(name)


def test_unknown_keys_and_later_changes_are_refused():
    with pytest.raises(ValidationError, match="dropuot"):
        TrainingConfig(dropuot=0.5)
    with pytest.raises(ValidationError, match="frozen"):
        TrainingConfig().dropout = 0.1


def test_only_a_run_without_any_regularizer_is_of_the_regime_none():
    assert TrainingConfig(dropout=0.0).regime == "none"
    assert TrainingConfig(dropout=0.0, schedule="cosine", epochs=3).regime == "none"
    assert TrainingConfig(dropout=0.01).regime == "dropout"
    assert TrainingConfig(dropout=0.0, weight_decay=0.1).regime == "weight-decay"
    everything = TrainingConfig(label_smoothing=0.1, augment="flip", average="ema", patience=3)
    assert everything.regime == "dropout-and-label-smoothing-and-augment-and-ema-and-patience"
    assert everything.regularization == (
        "dropout 0.5, label smoothing 0.1, augment flip, average ema, patience 3"
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 3, "warmup_epochs": 4}, "warmup_epochs: expected at most the 3 of epochs, re"),
        ({"select": "last", "patience": 1}, "patience: expected select best, received"),
        ({"vary": "init+split", "split_seed": 1}, "split_seed: expected none where the split vari"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused_before_any_run(
    command, tmp_path, parameters, message
):
    TrainingConfig().check()
    with pytest.raises(UsageError, match=message):
        TrainingConfig(**parameters).check()
    options = [
        part
        for name, value in parameters.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    done = command("train", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_comes_back_from_what_mlflow_run_recorded():
    params = {"dropout": "0.50", "seed": "3", "data_dir": "''", "dataset": "synthetic"}
    assert recorded_config(params) == TrainingConfig(seed=3, dataset="synthetic")
    with pytest.raises(UsageError, match=r"recorded parameters of a run, batch_size: .* received"):
        recorded_config({**params, "batch_size": "9223372036854775807"})


@pytest.mark.parametrize(
    ("vary", "moving"),
    [
        ("init+order+masks+augment", {"init", "order", "masks", "augment"}),
        (" split + init ", {"init", "split"}),
        ("masks", {"masks"}),
    ],
)
def test_what_varies_draws_from_the_seed_of_the_run_and_all_else_from_a_fixed_one(vary, moving):
    fixed = {} if "split" in moving else {"split_seed": 5}
    config = TrainingConfig(seed=7, vary=vary, **fixed)
    config.check()
    assert config.vary == "+".join(source for source in SOURCES if source in moving)
    still = {"init": 0, "order": 0, "masks": 0, "augment": 0, "split": 5}
    for source in SOURCES:
        assert config.seed_of(source) == (7 if source in moving else still[source])


def test_an_unknown_source_is_refused_with_a_suggestion():
    with pytest.raises(UsageError, match=r"received 'init\+mask'; did you mean 'masks'\?"):
        parse_parameter("vary", "init+mask")
