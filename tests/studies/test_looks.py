"""A study that ends when it is decided, as a user runs it, and as it is read back."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mlflow
import pytest

from conftest import ROOT, clean_environment, run_command
from fashion_dropout.comparison.sentences import looks_sentence
from fashion_dropout.config.study import Study, read_study
from fashion_dropout.studies.found import read_cells
from fashion_dropout.studies.looks import still_wanted
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.store.tags import DATASET_SHA256
from recorded import record_study
from study_text import study_text

SMOKE = ROOT / "experiments/dropout/smoke.toml"


def study(**rule: object) -> Study:
    """Ten pairs in looks at 7 and 10, which differ by less than 9."""
    smoke = read_study(SMOKE)
    declared = {"primary": "gap/loss", "looks": (7, 10), "smallest_difference": 9.0, "guards": {}}
    decision = smoke.decision.model_copy(update={**declared, **rule})
    return smoke.model_copy(update={"seeds": tuple(range(9, -1, -1)), "decision": decision})


def end_cell(name: str, status: str) -> None:
    (run,) = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"attributes.run_name = '{name}'",
        output_format="list",
    )
    mlflow.MlflowClient().set_terminated(run.info.run_id, status)


@pytest.mark.slow  # a recorded study of 20 runs
@pytest.mark.usefixtures("store")
def test_a_study_is_read_as_its_deciding_look_saw_it():
    record = read_record(record_study(study()))
    assert record.looks.seen == (tuple(range(7)),)  # by seed, whatever the order of the file
    assert sorted(set(record.runs["seed"])) == list(range(7))
    assert (len(record.cells), record.not_run, record.unused) == (14, 6, 6)
    (verdict,) = record.compare().verdicts
    assert verdict.kind.endswith("that matters") or verdict.kind.endswith("less than matters")
    assert verdict.difference.n == 7
    said = looks_sentence(record)
    assert said.startswith("Decided after 7 of 10 pairs; 0 cells not run.")
    assert "6 finished runs" in said


@pytest.mark.slow  # recorded studies
@pytest.mark.usefixtures("store")
def test_an_interrupted_look_is_not_taken_and_a_failed_pair_blocks_nothing():
    run_id = record_study(study())
    end_cell("none-seed3", "KILLED")
    record = read_record(run_id)
    assert (record.looks.seen, record.looks.over) == ((), False)
    assert len(record.cells) == 20
    (verdict,) = record.compare().verdicts
    assert (verdict.kind, verdict.test) == ("not shown", None)
    assert "Nothing is decided after 0 of 10 pairs; the next look is after 7." in looks_sentence(
        record
    )
    end_cell("none-seed3", "FAILED")
    assert [len(seen) for seen in read_cells(run_id).looks.seen] == [7]


@pytest.mark.slow  # recorded studies
@pytest.mark.usefixtures("store")
def test_an_undecided_study_is_compared_at_its_last_look_and_a_larger_one_keeps_its_rule():
    open_rule = {"smallest_difference": 1e-9, "alpha": 0.02}
    record = read_record(record_study(study(**open_rule, looks=(8, 10))))
    assert ([len(seen) for seen in record.looks.seen], record.looks.over) == ([8, 10], True)
    assert (record.not_run, record.unused) == (0, 0)
    assert looks_sentence(record) == "The last look came after all 10 pairs."
    grown = study(**open_rule, looks=(8, 9))
    record = read_record(record_study(grown))
    assert [len(seen) for seen in record.looks.seen] == [8, 9]
    assert "The last declared look came after 9 of 10 pairs" in looks_sentence(record)


@pytest.mark.usefixtures("store")
def test_a_decided_study_wants_none_of_the_cells_that_it_will_not_run():
    declared = study(looks=(3, 6), alpha=0.49).model_copy(update={"seeds": tuple(range(6))})
    experiment = mlflow.get_run(record_study(declared)).info.experiment_id

    def wanted_without(seeds: str) -> set[int]:
        for run in mlflow.search_runs([experiment], "tags.role = 'run'", output_format="list"):
            if run.data.tags["seed"] in seeds:
                mlflow.delete_run(run.info.run_id)
        cells = still_wanted(declared, experiment, DATASET_SHA256)
        return {cell.config.seed for cell in cells}

    assert wanted_without("") == set()
    assert wanted_without("345") == set()
    assert wanted_without("1") == {1, 3, 4, 5}  # what the first look will say is open again


@pytest.mark.slow
def test_compare_runs_look_by_look_and_ends_when_it_is_decided(tmp_path: Path):
    text = SMOKE.read_text(encoding="utf-8").replace("[0, 1, 2]", "[0, 1, 2, 3, 4, 5]")
    text = text.replace("alpha = 0.05", "alpha = 0.49\nlooks = [3, 6]")
    text, found = re.subn(r"(?m)^smallest_difference = .*$", "smallest_difference = 9", text)
    assert found == 1
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    done = run_command("compare", "study.toml", "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "look 1 of 2: after 3 pairs of runs" in done.stdout
    assert "look 2" not in done.stdout
    assert "6 of 12 cells to run" in done.stdout
    assert "ecided after 3 of 6 pairs; 6 cells not run" in done.stdout
    assert "missing" not in done.stdout
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.role = 'run'", output_format="list"
    )
    assert sorted(run.data.tags["seed"] for run in runs) == ["0", "0", "1", "1", "2", "2"]
    again = run_command("compare", "study.toml", cwd=tmp_path)
    assert "0 of 12 cells to run" in again.stdout
    verdict = [line for line in done.stdout.splitlines() if line.startswith("verdict: ")]
    assert all(line in again.stdout for line in verdict)


LOOKED = study_text(
    "looked",
    range(5),
    {"epochs": 1, "learning_rate": 0.004},
    {
        "primary": "val/accuracy",
        "direction": "higher",
        "smallest_difference": 1e-9,
        "alpha": 0.49,
        "looks": [3, 5],
    },
)


def begun(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fashion_dropout", "compare", "study.toml", "--workers", "2"],
        cwd=folder,
        env=clean_environment(PYTHONUNBUFFERED="1", FASHION_DROPOUT_STATE=str(folder / "state")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def conclusion(printed: str) -> list[str]:
    """What a study concludes: verdict, looks and table, without ids and times."""
    told = ("verdict: ", "note: ", "val/", "gap/")
    return [line for line in printed.splitlines() if line.startswith(told)]


def finished(folder: Path) -> Counter[str]:
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    filtered = "tags.role = 'run' AND attributes.status = 'FINISHED'"
    runs = mlflow.search_runs(
        search_all_experiments=True, filter_string=filtered, output_format="list"
    )
    return Counter(run.info.run_name for run in runs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Counter[str]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "study.toml").write_text(LOOKED, encoding="utf-8")
    process = begun(folder)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert conclusion(printed)
    return conclusion(printed), finished(folder)


@pytest.mark.slow
@pytest.mark.long
def test_a_study_killed_between_its_looks_ends_as_if_nothing_had_happened(tmp_path, undisturbed):
    (tmp_path / "study.toml").write_text(LOOKED, encoding="utf-8")
    process = begun(tmp_path)
    after_the_first_look = ("look 2 of 2", "comparing the runs")
    assert any(words in line for line in process.stdout or () for words in after_the_first_look)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    again = begun(tmp_path)
    printed, _ = again.communicate(timeout=300)
    assert again.returncode == 0, printed
    assert (conclusion(printed), finished(tmp_path)) == undisturbed


@pytest.mark.slow
@pytest.mark.long
def test_a_study_with_looks_that_two_processes_run_keeps_its_rule(tmp_path, undisturbed):
    (tmp_path / "study.toml").write_text(LOOKED, encoding="utf-8")
    both = [begun(tmp_path) for _ in range(2)]
    for process in both:
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
        assert "Traceback" not in printed
    again = begun(tmp_path)
    printed, _ = again.communicate(timeout=300)
    assert again.returncode == 0, printed
    assert (conclusion(printed), finished(tmp_path)) == undisturbed
