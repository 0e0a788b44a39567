"""Anybody's numbers: read from every kind of table, and compared as SciPy and as a study would."""

from __future__ import annotations

import dataclasses
import json
import math

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from comparison import recomputed
from comparison.records import make_record
from comparison.tables import RULE
from fashion_dropout.comparison import judge, read_table
from fashion_dropout.config.metrics import METRICS
from fashion_dropout.errors import UsageError

RNG = np.random.default_rng(5)
BLEU = {"small": RNG.normal(30, 0.4, 9), "large": RNG.normal(31, 0.4, 9)}
SECONDS = {"small": RNG.normal(5, 0.1, 9), "large": RNG.normal(9, 0.1, 9)}


def tidy() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"seed": seed, "regime": regime, "metric": metric, "value": value}
            for metric, table in (("bleu", BLEU), ("seconds", SECONDS))
            for regime, values in table.items()
            for seed, value in enumerate(values)
        ]
    )


RULES = {"baseline": "small", "metric": "bleu", "direction": "higher", "smallest_difference": 0.2}


def test_the_figures_are_those_of_scipy():
    judged = judge(tidy(), **RULES)
    bleu, seconds = judged.numbers["differences"]
    for found, values in ((bleu, BLEU), (seconds, SECONDS)):
        test = stats.ttest_rel(values["large"], values["small"])
        interval = test.confidence_interval(0.95)
        assert found["low"] == pytest.approx(interval.low)
        assert found["high"] == pytest.approx(interval.high)
        exact = stats.permutation_test(
            (values["large"] - values["small"],),
            np.mean,
            permutation_type="samples",
            n_resamples=np.inf,
        )
        assert found["p"] == exact.pvalue
    assert judged.kinds == {"large": "better"}
    assert "With large, bleu is " in judged.text
    assert " higher than with small (95 % CI " in judged.text
    assert recomputed.SIGN[bleu["direction"]] == 1
    assert seconds["direction"] is seconds["prob_better"] is None  # nobody has said it


def test_a_study_and_its_table_have_the_same_differences_verdicts_and_curves():
    rule = RULE.model_copy(
        update={
            "guards": {"val/accuracy": 0.05},
            "secondary": ("test/accuracy", "val/loss_over_equal_fit", "epochs_to_equal_fit"),
        }
    )
    record = make_record(rule=rule, results=None)
    last = record.histories[record.histories["epoch"] == 4][["regime", "seed", "val/accuracy"]]
    record = dataclasses.replace(record, runs=record.runs.merge(last, on=["regime", "seed"]))
    ends = record.runs.melt(
        ["regime", "seed"], ["gap/loss", "test/accuracy"], "metric", "value"
    ).assign(epoch=math.nan)
    curves = record.histories.melt(["regime", "seed", "epoch"], var_name="metric")
    table = pd.concat([ends, curves]).sample(frac=1, random_state=1)
    judged = judge(
        table,
        baseline="none",
        metric="gap/loss",
        smallest_difference=rule.smallest_difference,
        secondary=rule.secondary,
        guards=rule.guards,
    )
    ours, theirs = record.compare(), judged.comparison
    assert repr(theirs.differences) == repr(ours.differences)  # NaN is NaN in both
    assert [of.kind for of in theirs.verdicts] == [of.kind for of in ours.verdicts] == ["better"]
    assert theirs.verdicts[0].guards == ours.verdicts[0].guards
    assert judged.record.fit_curve is not None
    np.testing.assert_array_equal(judged.record.fit_curve.mean, record.fit_curve.mean)


def test_losses_of_every_second_epoch_are_a_curve_and_a_lost_epoch_is_none():
    record = make_record(epochs=8)
    curves = record.histories.melt(["regime", "seed", "epoch"], var_name="metric")
    second = curves[(curves["epoch"] % 2 == 0) | (curves["metric"] == "train/loss")]
    rule = {"baseline": "none", "metric": "val/loss_over_equal_fit", "smallest_difference": 0.01}
    assert judge(second, **rule).numbers["differences"][0]["n"] == 6
    place = (second["seed"] == 3) & (second["epoch"] == 4) & (second["regime"] == "dropout")
    lost = judge(second[~(place & (second["metric"] == "val/loss"))], **rule)
    assert "The pairs of seeds 3 have no value" in lost.text
    assert lost.numbers["verdicts"][0]["undefined_seeds"] == [3]


def test_looks_that_the_table_has_not_reached_are_still_to_come():
    table, rule = tidy(), {**RULES, "looks": (7, 9, 12)}
    first = table[table["seed"] < 8]
    waiting = judge(first[first["seed"] < 6], **rule)
    assert waiting.kinds == {"large": "not shown"}
    assert "Nothing is decided after 0 of 12 pairs; the next look is after 7." in waiting.text
    decided = judge(first, **rule)
    assert decided.kinds == {"large": "better"}
    assert "Decided after 7 of 12 pairs; 8 cells not run." in decided.text
    assert decided.numbers["differences"][0]["n"] == 7
    with pytest.raises(UsageError, match=r"^looks: expected at least 6 pairs"):
        judge(table, **{**RULES, "looks": (5, 9)})


def test_what_this_program_knows_of_its_own_metrics_is_not_said_of_others():
    """A name may be the same, and the unit another: accuracy in per cent, a loss below zero."""
    table = tidy().replace({"bleu": "val/accuracy", "seconds": "val/loss"})
    judged = judge(table, **{**RULES, "metric": "val/accuracy", "direction": None})
    mean = judged.numbers["regime_means"][0]
    assert mean["low"] < 30 < mean["mean"] + 1 and mean["mean"] < mean["high"] < 31
    with pytest.raises(UsageError, match="expected 'higher' for val/accuracy, received 'lower'"):
        judge(table, **{**RULES, "metric": "val/accuracy", "direction": "lower"})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_kind_of_file_is_read_alike(kind, tmp_path):
    path = tmp_path / f"table.{kind}"
    table = tidy().rename(columns={"seed": "fold"})
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    read = read_table(path, seed_column="fold")
    pd.testing.assert_frame_equal(
        read.rows[["seed", "regime", "metric", "value"]], read_table(tidy()).rows.iloc[:, :4]
    )
    assert read.source == path.name


def test_the_export_of_mlflow_is_read_and_only_finished_runs_count(store, tmp_path):
    """Written by MLflow's own command, from real runs."""
    from click.testing import CliRunner
    from mlflow.experiments import commands

    mlflow.set_experiment("table")
    for regime, values in BLEU.items():
        for seed, value in enumerate(values[:3]):
            with mlflow.start_run(tags={"regime": regime}):
                mlflow.log_param("run_seed", seed)
                mlflow.log_metric("bleu", value - 1, step=1)
                mlflow.log_metric("bleu", value, step=2)
                mlflow.log_metric("system/cpu", 50)
    mlflow.start_run(tags={"regime": "small"})
    mlflow.log_param("run_seed", 0)
    mlflow.log_metric("bleu", 1)
    mlflow.end_run("FAILED")
    path = tmp_path / "export.csv"
    identity = mlflow.get_experiment_by_name("table").experiment_id
    done = CliRunner().invoke(commands, ["csv", "-x", identity, "-o", str(path)])
    assert done.exit_code == 0, done.output
    with pytest.raises(
        UsageError, match=r"without 'params\.seed'; name another with --seed-column"
    ):
        read_table(path)
    read = read_table(path, seed_column="params.run_seed")
    assert read.left_out == 1
    assert set(read.rows["metric"]) == {"bleu"}
    judged = judge(read, **RULES)
    assert judged.numbers["differences"][0]["by_seed"] == pytest.approx(
        dict(enumerate((BLEU["large"] - BLEU["small"])[:3]))
    )
    assert all(len(run_id) == 32 for run_id in judged.record.cells["run_id"])


ROWS = [
    f"{seed},{regime},loss,{at}" for at, regime in enumerate(("a", "base")) for seed in range(6)
]
HEAD = "seed,regime,metric,value"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([HEAD, *ROWS, "3,a,loss,1"], "seed 3 of regime 'a' 2 times for 'loss' (rows 5, 14)"),
        ([HEAD, *ROWS[:-2]], "received 'base' without seeds 4, 5; add these runs"),
        ([HEAD, *ROWS[:2], "2,a,loss,much", *ROWS[3:]], "row 4, column value (loss): expected a n"),
        ([HEAD, *ROWS[:2], "two,a,loss,1", *ROWS[3:]], "row 4, column seed: expected a whole num"),
        ([HEAD, *ROWS[:2], f"{2**32},a,loss,1", *ROWS[3:]], "from 0 to 4294967295; number the pai"),
        ([HEAD, *ROWS[:2], "-1,a,loss,1", *ROWS[3:]], "from 0 to 4294967295; number the pairs"),
        (
            [HEAD.replace("metric", "name"), *ROWS],
            "received 'seed, regime, name, value' without 'm",
        ),
        ([HEAD, *ROWS[6:]], "expected two regimes or more, received only 'base'"),
        ([HEAD, *(row.replace("base", "bse") for row in ROWS)], "did you mean 'bse'?"),
        (
            [HEAD, *(row.replace("loss", "los") for row in ROWS)],
            "received 'loss'; did you mean 'lo",
        ),
        ([HEAD, *(row.replace(",a,", ",p,") for row in ROWS)], "row 2, column regime"),
        ([HEAD, *(row.replace("loss,0", "loss,nan") for row in ROWS)], "received no finite pair"),
        ([HEAD, *ROWS, "1,2,3,4,5"], "expected a CSV or Parquet file"),
        ([HEAD], "expected a table with values, received none"),
        (["PAR1"], "expected a CSV or Parquet file"),
    ],
    ids=range(15),
)
def test_a_bad_table_is_refused_in_one_line(lines, words, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError) as refused:
        judge(
            read_table(path),
            baseline="base",
            metric="loss",
            direction="lower",
            smallest_difference=0.1,
        )
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_metric_of_unknown_direction_is_asked_for_it_only_where_it_decides():
    table = tidy()
    with pytest.raises(UsageError, match=r"bleu are better.*--direction 'bleu=lower'"):
        judge(table, **{**RULES, "direction": None})
    with pytest.raises(UsageError, match="seconds are better"):
        judge(table, **RULES, guards={"seconds": 1.0})
    judged = judge(table, **RULES, guards={"seconds": 1.0}, directions={"seconds": "lower"})
    assert judged.kinds == {"large": "mixed"}
    text = json.dumps(judged.numbers, allow_nan=False)
    assert json.loads(text)["verdicts"][0]["guards"][0]["kind"] == "harm"
    assert "bleu" not in METRICS


def losses(**changes: object) -> pd.DataFrame:
    """The learning curves of a made-up study as a tidy table."""
    table = make_record(epochs=4).histories.melt(["regime", "seed", "epoch"], var_name="metric")
    return table.assign(**changes)


def test_a_pair_without_a_common_training_loss_is_not_called_damaged():
    table = losses()
    place = (table["seed"] == 3) & (table["regime"] == "dropout")
    table.loc[place & (table["metric"] == "train/loss"), "value"] += 1.0
    rule = {"metric": "val/loss_over_equal_fit", "smallest_difference": 0.01}
    judged = judge(table, baseline="none", **rule)
    assert "The pairs of seeds 3 have no value" in judged.text
    assert "or the two runs have no training loss in common" in judged.text


def test_epochs_to_equal_fit_are_those_of_the_table():
    rule = {"metric": "val/loss", "smallest_difference": 0.01, "baseline": "none"}
    means = []
    for table in (losses(), losses(epoch=5 * losses()["epoch"])):
        found = judge(table, **rule).numbers["differences"]
        means += [one["mean"] for one in found if one["metric"] == "epochs_to_equal_fit"]
    assert means[1] == pytest.approx(5 * means[0])
    assert means[0] > 0.1


def test_no_interval_is_cut_at_a_bound_to_which_the_values_do_not_keep():
    values = {"small": [-0.3, 0.5, 0.2, -0.1], "large": [0.1, 0.2, -0.2, 0.3]}
    table = pd.DataFrame(
        [
            {"seed": seed, "regime": regime, "metric": "val/loss", "value": value}
            for regime, of in values.items()
            for seed, value in enumerate(of)
        ]
    )
    rule = {"baseline": "small", "metric": "val/loss", "smallest_difference": 0.1}
    lows = [mean["low"] for mean in judge(table, **rule).numbers["regime_means"]]
    assert lows == [pytest.approx(-0.482, abs=1e-3), pytest.approx(-0.244, abs=1e-3)]
    kept = table.assign(value=table["value"].abs())
    assert [mean["low"] for mean in judge(kept, **rule).numbers["regime_means"]][1] >= 0
