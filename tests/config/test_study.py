from __future__ import annotations

import copy
import tomllib

import pytest

from conftest import ROOT
from fashion_dropout.config.metrics import COMPARED
from fashion_dropout.config.study import parse_study, read_study
from fashion_dropout.errors import UsageError

FILES = sorted((ROOT / "experiments").glob("*/*.toml"))
GOOD = tomllib.loads((ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8"))


def changed(**changes):
    """The smoke study with values at dotted places replaced."""
    study = copy.deepcopy(GOOD)
    for place, value in changes.items():
        *path, last = place.split("__")
        table = study
        for key in path:
            table = table[key]
        table[last] = value
    return study


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_study_file_declares_a_study_and_says_what_it_is(path):
    study = read_study(path)
    assert study.name == {"second-edition": "full"}.get(path.stem, path.stem)
    head = path.read_text(encoding="utf-8").partition("\n\n")[0]
    for word in ("# Hypothesis: ", "# Command:  ", "# Run time: "):
        assert word in head
    assert study.decision.primary in COMPARED


def test_the_named_studies_are_what_the_protocol_says():
    quick, full, sweep = (
        read_study(ROOT / f"experiments/dropout/{name}.toml") for name in ("quick", "full", "sweep")
    )
    assert (len(quick.seeds), quick.config("none", 0).epochs) == (6, 8)
    assert (len(full.seeds), full.config("none", 0).epochs) == (16, 20)
    assert full.decision.looks == (7, 10, 16)
    for study in (quick, full):
        assert {r: study.config(r, 0).dropout for r in study.regimes} == {"none": 0, "dropout": 0.5}
    rates = sorted(sweep.config(regime, 0).dropout for regime in sweep.regimes)
    assert rates == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert (len(sweep.seeds), sweep.config("none", 0).epochs) == (8, 10)


def test_cells_are_all_regimes_with_all_seeds_and_differ_in_nothing_else():
    study = parse_study(GOOD)
    cells = study.cells()
    assert [(cell.regime, cell.config.seed) for cell in cells] == [
        (regime, seed) for seed in (0, 1, 2) for regime in ("none", "dropout")
    ]
    assert {cell.config.model_dump_json(exclude={"seed", "dropout"}) for cell in cells} == {
        cells[0].config.model_dump_json(exclude={"seed", "dropout"})
    }


def test_the_key_names_what_decides_the_study_and_nothing_else():
    key = parse_study(GOOD).key
    same = changed(regimes={"dropout": {"dropout": 0.5}, "none": {"dropout": 0}}, seeds=[2, 0, 1])
    assert parse_study(same).key == key
    assert parse_study(changed(question="other words")).key == key
    assert parse_study(changed(question_ja="別の言葉")).key == key
    assert parse_study(changed(promotion={"undecided": "none"})).key == key
    assert parse_study(changed(base__augment="none", base__patience=0)).key == key
    assert parse_study(changed(vary=["augment", "masks", "order", "init"])).key == key
    assert parse_study(same).recorded()["regime_order"] == ["dropout", "none"]
    for change in (
        {"seeds": [0, 1]},
        {"split_seed": 1},
        {"base__epochs": 4},
        {"decision__alpha": 0.01},
        {"decision__guards": {"val/loss": 0.01}},
        {"decision__looks": [3], "decision__alpha": 0.3},
        {"regimes__dropout__dropout": 0.4},
        {"base__augment": "flip"},
        {"regimes__dropout__patience": 3},
        {"vary": ["init"]},
        {"split_seeds": [0, 1]},
    ):
        assert parse_study(changed(**change)).key != key, change


def test_splits_are_crossed_with_the_seeds_and_named_in_the_cells():
    study = parse_study(changed(seeds=[0, 1], split_seeds=[0, 5]))
    assert [cell.name for cell in study.cells()] == [
        "none-seed0-split0", "dropout-seed0-split0", "none-seed0-split5", "dropout-seed0-split5",
        "none-seed1-split0", "dropout-seed1-split0", "none-seed1-split5", "dropout-seed1-split5",
    ]  # fmt: skip
    assert [cell.config.split_seed for cell in study.cells()] == [0, 0, 5, 5, 0, 0, 5, 5]
    assert study.resolved()["split_seeds"] == [0, 5]
    assert all("split_seed" not in regime for regime in study.resolved()["regimes"].values())
    other = parse_study(changed(seeds=[1, 0], split_seeds=[5, 0]))
    assert other.key == study.key


def test_images_of_ones_own_are_part_of_the_key():
    own = parse_study(changed(dataset="idx"))
    keys = {
        own.key,
        *(parse_study(changed(dataset="idx", dataset_sha256=64 * of)).key for of in "ab"),
    }
    assert len(keys) == 3
    assert own.model_copy(update={"dataset_sha256": 64 * "a"}).key in keys, "as `compare` does"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seedz": [1]}, "received 'seedz'; did you mean 'seeds'?"),
        ({"decision__primry": "x"}, "did you mean 'primary'?"),
        ({"base__epoch": 3}, r"parameter of \[base\].*received 'epoch'; did you mean 'epochs'?"),
        ({"regimes__none__dropuot": 0}, r"\[regimes.none\].*did you mean 'dropout'?"),
        ({"base__seed": 3}, "seed is the same for all regimes .* give it at the top as seeds"),
        ({"regimes__none__split_seed": 3}, "split_seed is the same for all regimes"),
        ({"base__vary": "init"}, "vary is the same for all regimes of a study; give it at the top"),
        ({"vary": ["init", "mask"]}, "source of vary .* received 'mask'; did you mean 'masks'?"),
        ({"vary": ["init", "init"]}, "vary: expected one source .* once, received 'init' 2 times"),
        ({"vary": []}, "vary: expected one source or more .* received none"),
        ({"vary": "init"}, "vary: .* received 'init'"),
        ({"vary": ["augment"]}, "received augment, which no regime draws"),
        (
            {"vary": ["masks"], "regimes": {"none": {"dropout": 0}, "other": {"dropout": 0}}},
            "received masks, which no regime draws",
        ),
        ({"vary": ["split"], "split_seed": 2}, "split_seed: expected none where the split varies"),
        (
            {"split_seeds": [0, 1], "split_seed": 0},
            "either split_seed or split_seeds, received both",
        ),
        (
            {"split_seeds": [0, 1], "vary": ["split"]},
            "split_seeds: expected none beside a split that",
        ),
        ({"split_seeds": [3]}, "split_seeds: expected two splits or more, received only 3"),
        ({"split_seeds": [3, 4, 3]}, "split_seeds: expected each once, received 3 2 times"),
        ({"split_seeds": [0, -1]}, "split_seeds: expected whole numbers from 0 .* received -1"),
        (
            {"split_seeds": [0, 2**31]},
            "split_seeds: expected .* to 2147483646, received 2147483648",
        ),
        ({"split_seeds": "0"}, "split_seeds: .* received '0'"),
        (
            {"split_seeds": [0, 1], "decision__looks": [3], "decision__alpha": 0.3},
            "decision.looks: expected none beside split_seeds",
        ),
        ({"seeds": [0, 1, 1]}, "expected each seed once, received 1 2 times"),
        ({"seeds": []}, "seeds: .* received"),
        ({"seeds": [-1]}, r"\[regimes.none\] seed: expected a whole number from 0"),
        ({"decision__baseline": "non"}, "received 'non'; did you mean 'none'?"),
        ({"decision__primary": "gap/los"}, "received 'gap/los'; did you mean 'gap/loss'?"),
        ({"decision__secondary": ["test/acc"]}, "received 'test/acc'"),
        (
            {"decision__secondary": ["val/loss", "test/nll", "val/loss"]},
            "decision.secondary: expected each metric once, received 'val/loss' 2 times",
        ),
        (
            {"decision__direction": "higher"},
            "expected 'lower' for val/loss_over_equal_fit, received 'higher'",
        ),
        ({"decision__direction": "up"}, "decision.direction: .* received 'up'"),
        ({"decision__alpha": 1.5}, "decision.alpha: .* received 1.5"),
        ({"decision__smallest_difference": 0}, "decision.smallest_difference: .* received 0"),
        (
            {"decision__primary": "test/nll", "decision__secondary": []},
            "the test set decides nothing; received 'test/nll'",
        ),
        (
            {"decision__guards": {"test/accuracy": 0.01}},
            "the test set decides nothing; received 'test/accuracy'",
        ),
        (
            {"decision__guards": {"val/acuracy": 0.01}},
            "received 'val/acuracy'; did you mean 'val/accuracy'?",
        ),
        ({"decision__guards": {"val/loss": 0}}, "decision.guards.val/loss: .* received 0"),
        ({"decision__guards": {"val/loss": -0.1}}, "decision.guards.val/loss: .* received -0.1"),
        ({"decision__guards": ["val/loss"]}, r"decision.guards: .* received \['val/loss'\]"),
        ({"decision__looks": [7, 7]}, "decision.looks: expected increasing .* received 7, 7"),
        ({"decision__looks": [7, 17]}, "expected at most as many pairs as .* 3, received 17"),
        (
            {"decision__looks": [5, 10], "seeds": list(range(10))},
            "expected at least 7 pairs at a look that may spend 0.031 of alpha, received 5 of 5, 10"
            ": no p is below 2/2\\^5",
        ),
        ({"decision__looks": [0, 10]}, "decision.looks.0: .* received 0"),
        ({"decision__looks": ["7"]}, "decision.looks.0: .* received '7'"),
        ({"regimes__none__dropout": 1.0}, "dropout: expected a number from 0 up to"),
        ({"regimes__none__dropout": "abc"}, "received 'abc'"),
        ({"base__augment": "cutmix"}, r"\[regimes.none\] augment: expected none, or names joined"),
        (
            {"regimes__none__warmup_epochs": 4},
            r"\[regimes.none\] warmup_epochs: expected at most the 3 of epochs, received 4",
        ),
        (
            {"regimes__dropout__patience": 2, "base__select": "last"},
            r"\[regimes.dropout\] patience: expected select best, received select last",
        ),
        ({"base__epochs": 0}, "epochs: expected a whole number from 1 to 1000000, received 0"),
        (
            {"regimes__none__kernels": "portable"},
            "kernels: expected the same in all regimes, .* received portable and native; give it",
        ),
        ({"regimes__dropout__threads": 2}, "threads: expected the same .* received 1 and 2; give"),
        ({"regimes__none__device": "cpu"}, "device: expected the same .* received cpu and auto"),
        ({"regimes": {"none": {}}}, "regimes"),
        ({"regimes": {"none": {}, "dropout": 3}}, r"expected a table \[regimes.dropout\]"),
        ({"promotion": {"undecidd": "x"}}, r"key of \[promotion\].*did you mean 'undecided'?"),
        ({"promotion": {"undecided": "dropuot"}}, "promotion.undecided.*did you mean 'dropout'?"),
        ({"regimes": {"none": {}, "a,b": {}}}, "regimes: expected a name .* received 'a,b'"),
        ({"regimes": {"none": {}, "<b>": {}}}, "regimes: expected a name .* received '<b>'"),
        ({"regimes": {"none": {}, "a" * 65: {}}}, "at most 64 .* received 'aaa"),
        (
            {"regimes__none__dropout": 0.2},
            r"\[regimes.none\]: .* 0, as the name says, received 0.2",
        ),
        ({"regimes__dropout__dropout": 0.0}, r"\[regimes.dropout\]: .* above 0, .* received 0;"),
        ({"dataset": "mnist"}, "dataset: .* received 'mnist'"),
        ({"dataset_sha256": 64 * "a"}, 'expected dataset = "idx", received synthetic'),
        ({"dataset": "idx", "dataset_sha256": "A"}, "expected 64 hexadecimal digits.*received 'A'"),
        ({"name": "Two words"}, "name: .* received 'Two words'"),
    ],
)
def test_what_is_no_study_is_refused_in_one_line(change, message):
    with pytest.raises(UsageError, match=message) as refused:
        parse_study(changed(**change))
    assert "\n" not in str(refused.value)


def test_a_byte_order_mark_of_an_editor_is_no_part_of_the_file(tmp_path):
    text = (ROOT / "experiments/dropout/smoke.toml").read_text(encoding="utf-8")
    (tmp_path / "marked.toml").write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert read_study(tmp_path / "marked.toml").key == parse_study(GOOD).key


def test_files_that_cannot_be_read_are_named(tmp_path):
    for name, content in (("a.toml", b"seeds = ["), ("b.toml", b"\xff\xfe"), ("c.toml", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=rf"{name}: ") as refused:
            read_study(tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match=r"expected a study file .*none\.toml"):
        read_study(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="expected a study file"):
        read_study(tmp_path)


LONG = 16**5_000  # TOML's hexadecimal numbers have no limit, and Python does not write this one


@pytest.mark.parametrize(
    "change",
    [
        {"decision__looks": [LONG]},
        {"split_seeds": [0, LONG]},
        {"split_seeds": [LONG]},
        {"split_seeds": [LONG, LONG]},
        {"split_seeds": [LONG, 0], "vary": ["split"]},
    ],
)
def test_a_number_that_is_too_long_to_show_is_refused_in_one_line(change):
    with pytest.raises(UsageError, match="that is too long to show"):
        parse_study(changed(**change))


def test_looks_at_the_smallest_alpha_that_there_is_are_refused():
    regimes = {"none": {"dropout": 0}, "low": {"dropout": 0.2}, "high": {"dropout": 0.6}}
    change = {"regimes": regimes, "decision__looks": [3], "decision__alpha": 5e-324}
    with pytest.raises(UsageError, match="expected at least 1075 pairs at a look"):
        parse_study(changed(**change))


@pytest.mark.parametrize("question", ["", " ", "\u3000"])
def test_a_study_asks_something(question):
    with pytest.raises(UsageError, match="question: expected what the study asks, received"):
        parse_study(changed(question=question))
