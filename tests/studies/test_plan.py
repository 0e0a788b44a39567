"""The planner as a user runs it: on study files, with a pilot that a real store holds."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner, Result

from conftest import ROOT
from fashion_dropout.cli import cli
from fashion_dropout.config.study import Study, read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.learning import kernels
from fashion_dropout.studies.cost import Cost
from fashion_dropout.studies.pilot import spread_of
from fashion_dropout.studies.plan import Plan
from fashion_dropout.tracking.store import tags
from recorded import record_study

STUDIES = ROOT / "experiments/dropout"
SECOND = STUDIES / "second-edition.toml"


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["plan", *arguments])


def refused(*arguments: str) -> str:
    """The one line with which a plan is refused; no run is made."""
    result = plan(*arguments)
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert result.output == ""
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def smoke(tmp_path: Path) -> Path:
    return by_the_gap("smoke", tmp_path)


def by_the_gap(name: str, folder: Path) -> Path:
    """A study file of the repository that decides by gap/loss, which made-up runs have."""
    text = (STUDIES / f"{name}.toml").read_text(encoding="utf-8")
    text, changed = re.subn(r'^primary = "[^"]+"', 'primary = "gap/loss"', text, flags=re.M)
    assert changed == 1
    path = folder / f"{name}.toml"
    path.write_text(re.sub(r"^secondary = .*?\]\n", "", text, flags=re.M | re.S), encoding="utf-8")
    return path


def pilot(study: Study, seeds: int = 12, **tagged: str) -> str:
    """The id of such a study with so many recorded pairs."""
    run_id = record_study(study.model_copy(update={"seeds": tuple(range(seeds))}))
    for name, value in tagged.items():
        for run in mlflow.search_runs(search_all_experiments=True, output_format="list"):
            mlflow.MlflowClient().set_tag(run.info.run_id, name, value)
    return run_id


def test_the_published_pairs_plan_a_study_of_the_same_regimes():
    text = plan(str(SECOND)).output
    published = json.loads((STUDIES / "full/result.json").read_text())
    by_seed = next(
        one["by_seed"]
        for one in published["differences"]
        if one["metric"] == "val/loss_at_equal_fit"
    )
    deviation = np.std(list(by_seed.values()), ddof=1)
    assert f"standard deviation of its differences: {deviation:.4g} (95 % CI 0.00" in text
    assert f"{len(by_seed)} pairs), the published study {published['study']}" in text
    assert "warning" not in text
    assert "guards counted, as if no regime harmed them: val/loss, val/accuracy" in text
    assert re.search(r"^10 +20 ", text, re.M)  # what it declares
    assert "8 seeds show a difference of 0.01 in 80 of 100 such studies" in text


def test_a_study_of_other_regimes_is_told_where_the_published_one_differs(tmp_path):
    quick = plan(str(by_the_gap("quick", tmp_path))).output
    assert "has epochs 20 instead of 8 in dropout" in quick
    sweep = plan(str(by_the_gap("sweep", tmp_path))).output
    assert "has no regime dropout-0.2: its pairs may vary differently" in sweep
    assert "for each of 4 regimes, tested at alpha / 4" in sweep


@pytest.mark.slow  # the power at each look
def test_declared_looks_have_their_power_and_save_runs():
    declared = read_study(STUDIES / "full.toml")
    sure, unsure = (Plan(declared, spread_of(declared, None, sd)) for sd in (0.002, 0.0145))
    assert [one.pairs for one in sure.looks] == [7, 10, 16]
    assert "14 if there is none, of 32 declared" in sure.text
    before = next(one for one in unsure.points if one.pairs == 16)
    assert 0.4 < unsure.looks[-1].difference < before.difference  # looking costs power


@pytest.mark.usefixtures("store")
def test_a_pilot_shows_how_much_its_pairs_vary_in_the_metric_of_the_planned_study(smoke):
    declared = read_study(smoke)
    run_id = pilot(declared)
    seen = {}
    for run in mlflow.search_runs(search_all_experiments=True, output_format="list"):
        if run.data.tags[tags.ROLE] == tags.RUN:
            place = int(run.data.tags[tags.SEED]), run.data.tags[tags.REGIME]
            seen[place] = run.data.metrics
    for metric in ("gap/loss", "val/accuracy"):
        decision = declared.decision.model_copy(
            update={"primary": metric, "guards": {"val/loss": 0.01}}
        )
        spread = spread_of(declared.model_copy(update={"decision": decision}), run_id)
        for one in (metric, "val/loss"):
            by_seed = [seen[n, "dropout"][one] - seen[n, "none"][one] for n in range(12)]
            assert spread.deviations[one] == pytest.approx(np.std(by_seed, ddof=1))
        assert spread.pairs == 12
        low, high = spread.interval(metric)
        assert (low, high) == pytest.approx(
            spread.deviations[metric] * np.array([0.7084, 1.6979]), rel=1e-3
        )
    result = plan(str(smoke), "--pilot", run_id)
    assert "12 pairs), the pilot smoke-" in result.output


@pytest.mark.slow  # four recorded studies
@pytest.mark.usefixtures("store")
def test_a_pilot_of_other_regimes_images_or_code_is_refused(smoke):
    declared = read_study(smoke)
    run_id = pilot(declared)
    assert "received one of synthetic images" in refused(str(SECOND), "--pilot", run_id)
    longer = declared.model_copy(update={"base": {**declared.base, "epochs": 4}})
    message = refused(str(smoke), "--pilot", pilot(longer))
    assert "received one with epochs 4 instead of 3 in dropout; give" in message
    single = pilot(declared.model_copy(update={"name": "single"}), 1)
    assert "to have two pairs or more that differ in gap/loss" in refused(
        str(smoke), "--pilot", single
    )
    assert "the role 'run'" in refused(
        str(smoke),
        "--pilot",
        mlflow.search_runs(search_all_experiments=True).query("`tags.role` == 'run'").run_id[0],
    )
    pilot(declared, **{tags.TRAINING_CODE: "0" * 64})
    message = refused(str(smoke), "--pilot", run_id)
    assert re.search(r"runs of this training code, .* give .*: --sd 0\.\d+$", message)


def test_what_cannot_be_planned_is_refused_in_one_line(smoke, tmp_path):
    other = tmp_path / "other.toml"
    text = (STUDIES / "full.toml").read_text(encoding="utf-8")
    other.write_text(re.sub(r'(?m)^primary = "[^"]+"', 'primary = "gap/accuracy"', text))
    assert "to have two pairs or more that differ in gap/accuracy" in refused(str(other))
    other.unlink()
    assert "one of other images, to have two pairs" in refused(str(smoke))
    for sd in ("0", "-1", "nan", "inf"):
        assert f"--sd: expected a number greater than 0, received {sd}" in refused(
            str(smoke), f"--sd={sd}"
        )
    for watts in ("0", "-1", "nan", "inf"):
        assert f"--watts: expected a finite number above 0, received {watts}" in refused(
            str(smoke), "--sd=0.1", f"--watts={watts}"
        )
    for path in (tmp_path / "plan.pdf", tmp_path / "no folder/plan.png"):
        assert "expected" in refused(str(smoke), "--sd=0.1", "--output", str(path))
    assert list(tmp_path.iterdir()) == [smoke]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_figure_is_written_as_png_or_svg(smoke, tmp_path, language):
    png, svg = tmp_path / "plan.png", tmp_path / "plan.SVG"
    for path in (png, svg):
        result = plan(str(smoke), "--sd=0.1", "--lang", language, "--output", str(path))
        assert result.output.endswith(f"wrote {path}\n")
    assert png.read_bytes()[:4] == b"\x89PNG"
    texts = "".join(ET.parse(svg).getroot().itertext())
    assert ("probability (%)" if language == "en" else "確率（%）") in texts


def test_the_time_is_that_of_this_machine(monkeypatch):
    monkeypatch.setattr(kernels, "is_x86_64", lambda: True)
    monkeypatch.setattr(kernels, "cpu_flags", lambda: frozenset({"sse4_1"}))
    assert re.search(r"^6 +12 +– ", plan(str(SECOND)).output, re.M)
    speeds = {"avx2": (1_100, 1_650)}
    monkeypatch.setattr(kernels, "_IMAGES_PER_SECOND", speeds)
    monkeypatch.setattr(kernels, "instruction_set", lambda *_: "avx2")
    monkeypatch.setattr("fashion_dropout.provenance.cores", lambda: 4)
    # 12 runs, 3 in turn, of 20 epochs of 55,000 images and a tenth more
    text = plan(str(SECOND), "--watts", "20").output
    assert re.search(r"^6 +12 +37 min to 55 min ", text, re.M)
    # a run takes 733 to 1,100 s, and a study 36 s beside its runs: of 20 runs, 10 in turn
    assert "the 20 declared runs, each on one core of this kind, at 20 W a core:" in text
    assert re.search(r"^2 +2 h 3 min to 3 h 4 min +4\.1 to 6\.1 +0\.082 to 0\.12 kWh$", text, re.M)
    assert "at 20 cores, at least 80 % of their time is training, at more of them, less" in text


def test_what_does_not_train_limits_how_many_cores_are_well_used():
    runs = Cost(32, (30.0, 40.0))
    assert runs.used(4) == pytest.approx(32 * 30 / (4 * (36 + 8 * 30)))
    assert runs.knee == 4
    assert runs.used(5) < 0.8 < runs.used(4)
    assert Cost(32, (0.01, 0.01)).knee == 1


def test_planning_needs_no_tensorflow_and_no_store(command, tmp_path: Path):
    done = command("plan", str(SECOND))
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_fewer_cores_than_the_most_that_are_well_used_need_not_be():
    cost = Cost(16, (600.0, 600.0))
    assert cost.knee == 16
    assert cost.used(15) < 0.8 < cost.used(16)
    assert not any("up to" in line for line in cost.lines())


def test_a_tilde_is_the_home_folder_as_it_is_for_compare(smoke, monkeypatch):
    monkeypatch.setenv("HOME", str(smoke.parent))
    assert plan("~/smoke.toml", "--sd=0.1").exit_code == 0
