"""Studies in which a seed decides only some sources of randomness."""

from __future__ import annotations

import mlflow
import pytest

from conftest import ROOT
from fashion_dropout.comparison.splits import sources_sentence, sources_warnings
from fashion_dropout.config.study import read_study
from fashion_dropout.reports.paper.methods import methods
from fashion_dropout.studies.cells import finished_cells
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.store import tags
from recorded import record_study

SMOKE = read_study(ROOT / "experiments/dropout/smoke.toml")
SPLIT = SMOKE.model_copy(update={"vary": ("split",)})


@pytest.mark.usefixtures("store")
def test_a_study_says_what_its_seeds_decide_and_what_no_interval_covers():
    usual, split = (read_record(record_study(study)) for study in (SMOKE, SPLIT))
    assert sources_sentence(usual) is None
    said = sources_sentence(split)
    assert said is not None
    assert said.startswith("Here a seed decides the split only. Other sources (the initial weights")
    assert "分割だけです" in str(sources_sentence(split, "ja"))
    assert split.common["vary"] == "split"
    (trained, *_) = methods(split, split.compare(), {}, "en")
    assert "for each seed anew" in trained
    assert "Here a seed decides the split only" in trained
    assert usual.misplaced == split.misplaced == {}
    assert len(split.environment[tags.SPLIT_SHA256]) == 3


@pytest.mark.usefixtures("store")
def test_what_moved_or_stood_still_against_the_declaration_is_one_line_each():
    run_id = record_study(SPLIT)
    record = read_record(run_id)
    client = mlflow.MlflowClient()
    first, second, *_ = record.runs["run_id"]
    client.set_tag(first, tags.INITIAL_WEIGHTS_SHA256, "others")
    for run in (first, second):
        client.set_tag(run, tags.SPLIT_SHA256, "one")
    record = read_record(run_id)
    assert record.misplaced == {"moved": ["init", "split"], "still": ["split"]}
    moved, still = sources_warnings(record)
    assert "digests of the initial weights and the split differ between runs" in moved
    assert "digests of the split are the same for several seeds" in still
    assert all("ダイジェスト" in line for line in sources_warnings(record, "ja"))


@pytest.mark.usefixtures("store")
def test_cells_of_other_sources_are_other_cells():
    record_study(SMOKE)
    experiment = mlflow.get_experiment_by_name("fashion-mnist-dropout").experiment_id
    assert len(finished_cells(SPLIT, experiment, tags.DATASET_SHA256).missing(SPLIT)) == 6
