"""Studies that differ only in what their seeds decide, side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from scipy import stats

from conftest import ROOT, script
from fashion_dropout.comparison.equal_fit import OVER_RANGE, at_equal_fit
from fashion_dropout.comparison.spread import Place
from fashion_dropout.config.study import Study, read_study
from fashion_dropout.errors import UsageError
from fashion_dropout.studies.variance import read_variance
from recorded import record_study

HERE = ROOT / "experiments/variance"
FILES = {path.stem: read_study(path) for path in sorted(HERE.glob("*.toml"))}


def small(name: str, **changes: object) -> Study:
    """One of the five studies, with fewer seeds and epochs."""
    base = {"epochs": 2, "select": "last"}
    return FILES[name].model_copy(update={"seeds": (0, 1), "base": base, **changes})


def test_the_five_studies_differ_in_nothing_but_what_varies():
    assert {name: study.vary for name, study in FILES.items()} == {
        "variance-init": ("init",),
        "variance-order": ("order",),
        "variance-masks": ("masks",),
        "variance-split": ("split",),
        "variance-all": ("init", "order", "masks", "split"),
    }
    assert all(study.name == name for name, study in FILES.items())
    declared = [study.resolved() for study in FILES.values()]
    for of in declared:
        for regime in of["regimes"].values():
            regime.pop("vary")
    assert all(of == declared[0] for of in declared)
    images = sum(len(study.cells()) * study.base["epochs"] for study in FILES.values()) * 55_000
    assert images / 5_000 / 60 < 45, "minutes on two cores with AVX2 only"


def test_what_is_said_of_them_follows_from_the_published_curves():
    """Again, by NumPy and SciPy alone but for the loss over equal training losses."""
    curves, said = pd.read_csv(HERE / "curves.csv"), script("results").values("en")
    pairs, runs = {}, {}
    for name, table in curves.groupby("study"):
        fit = at_equal_fit(table, "dropout", "none")
        runs[name] = fit.pivot_table(index="seed", columns="regime", values=OVER_RANGE)
        pairs[name] = runs[name]["dropout"] - runs[name]["none"]
    variances = {name: values.var() for name, values in pairs.items()}
    everything = variances.pop("variance-all")
    shares = {name: variance / everything for name, variance in variances.items()}
    for name, share in shares.items():
        assert said[f"variance/{name.removeprefix('variance-')}"] == f"{100 * share:.0f} %"
    assert said["variance/sum"] == f"{100 * sum(shares.values()):.0f} %"
    tails = stats.f.ppf([0.975, 0.025], 5, 5)
    low, high = 100 * shares["variance-split"] / tails
    assert said["variance/split-interval"] == f"{low:.0f} % to {high:.0f} %"
    assert low > 10, "the rule: the split counts"
    widening = sum(variances.values()) / (sum(variances.values()) - variances["variance-split"])
    assert said["variance/widening"] == f"{widening**0.5:.2f}"
    published = json.loads((ROOT / "experiments/dropout/full/result.json").read_text("utf-8"))
    (full,) = (of for of in published["differences"] if of["metric"] == OVER_RANGE)
    ends = (full["mean"] + widening**0.5 * (full[end] - full["mean"]) for end in ("low", "high"))
    assert said["variance/widened"] == "[{:.4f}, {:.4f}]".format(*ends).replace("-", "−")
    of_runs = runs["variance-all"].std()
    assert said["variance/deviation"] == f"{everything**0.5:.4f}"
    assert (
        said["variance/deviation-of-a-run"] == f"{of_runs['none']:.4f} and {of_runs['dropout']:.4f}"
    )
    order = runs["variance-order"].var() / runs["variance-all"].var()
    assert said["variance/order-of-a-run"] == f"{100 * order['none']:.0f} %"
    masks = curves[(curves["study"] == "variance-masks") & (curves["regime"] == "none")]
    assert len(masks.drop(columns="seed").drop_duplicates()) == 3, "equal to the bit, each epoch"


@pytest.fixture(scope="module")
def ids(tmp_path_factory, empty_store):
    """The run of each study, made up, in a store of their own, which all tests here read."""
    before = mlflow.get_tracking_uri()
    path = shutil.copy(empty_store, tmp_path_factory.mktemp("variance") / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    declared = {name: small(name) for name in FILES}
    declared["longer"] = small("variance-split", base={"epochs": 3, "select": "last"})
    declared["crossed"] = small("variance-init", split_seeds=(0, 1))
    yield {name: record_study(study) for name, study in declared.items()}
    mlflow.set_tracking_uri(before)


def test_the_command_prints_tables_and_writes_the_same_page_each_time(ids, command, tmp_path):
    store = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
    three = [ids[f"variance-{name}"] for name in ("all", "split", "init")]
    done = command("variance", *three, environment=store)
    assert done.returncode == 0, done.stderr
    for said in ("val/loss_over_equal_fit\n", "test/accuracy\n", "sum of the single sources",
                 "The split alone makes", "Shares need not add up to 100 %"):  # fmt: skip
        assert said in done.stdout
    page = (tmp_path / "variance.html").read_text(encoding="utf-8")
    assert page.count("<img src=") == 1
    assert "The split alone makes" in page
    assert read_variance(three[::-1], str).page("en") == page
    named = command("variance", "variance-all", "nothing", environment=store)
    assert named.returncode == 2
    assert "received 'nothing'" in named.stderr
    japanese = read_variance(three, str).page("ja")
    assert "ばらつきの要因" in japanese
    assert '<html lang="ja">' in japanese


def test_other_studies_are_refused_in_one_line(ids):
    def refused(*names: str) -> str:
        with pytest.raises(UsageError) as error:
            read_variance([ids[name] for name in names], str)
        assert "\n" not in str(error.value)
        return str(error.value)

    one, order, whole = (f"variance-{name}" for name in ("init", "order", "all"))
    assert "in epochs of dropout, epochs of none" in refused(whole, "longer")
    assert "received two of init" in refused(one, one, whole)
    assert "one of which varies all that the others vary (init+order)" in refused(one, order)
    assert "expected two studies or more" in refused(whole)
    assert "expected studies of one split each" in refused("crossed", whole)


def test_a_study_whose_runs_are_not_as_declared_is_named_or_refused(ids):
    masks, whole = ids["variance-masks"], ids["variance-all"]
    key, client = small("variance-masks").key, mlflow.MlflowClient()
    (run, *_) = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.study = '{key}' and tags.role = 'run'",
        output_format="list",
    )
    client.set_tag(run.info.run_id, "batches.first_epoch.sha256", "another")
    said: list[str] = []
    found = read_variance([masks, whole], said.append)
    assert said == [f"{key}: digests of its runs are not as declared; `report` says which"]
    assert key in " ".join(found.warnings("en"))
    client.set_terminated(run.info.run_id, "FAILED")
    with pytest.raises(UsageError, match="1 of 4 cells without a finished run"):
        read_variance([masks, whole], str)


class Silent:
    """A display that shows nothing."""

    def note(self, line: str) -> None:
        pass

    def batches(self, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: int, metrics: object) -> None:
        pass


def tiny(name: str, folder: Path) -> Path:
    """The file of one of the five studies, on generated images with two seeds and two epochs."""
    text = (HERE / f"{name}.toml").read_text(encoding="utf-8")
    for before, after in (
        ("seeds = [0, 1, 2, 3, 4, 5]", 'seeds = [0, 1]\ndataset = "synthetic"'),
        ("epochs = 3", "epochs = 2\nlearning_rate = 0.004"),
    ):
        assert before in text
        text = text.replace(before, after)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow", "store")
def test_tiny_copies_of_two_of_the_studies_move_what_they_say_and_nothing_else(workdir, command):
    from fashion_dropout.learning.dataset import open_dataset
    from fashion_dropout.runs.request import RunRequest
    from fashion_dropout.runs.train import record_run

    dataset, ids = open_dataset("synthetic"), {}
    for name in ("variance-split", "variance-all"):
        study = read_study(tiny(name, workdir))
        runs = {
            cell.name: record_run(RunRequest(cell.config, cell.regime), dataset, Silent()).run_id
            for cell in study.cells()
        }
        ids[name] = record_study(study, taken_over=runs)
    said: list[str] = []
    found = read_variance(list(ids.values()), said.append)
    assert said == []
    split = found.variance.single(Place("val/loss", "dropout", paired=True))["split"]
    assert split.n == 2
    assert split.deviation.value > 0
    assert "The split alone makes" in found.page("en")
    concluded = command("compare", str(workdir / "variance-split.toml"), cwd=workdir)
    assert concluded.returncode == 0, concluded.stderr
    assert "0 of 4 cells to run" in concluded.stdout
    assert "note: Here a seed decides the split only" in concluded.stdout


def test_a_study_that_its_looks_have_ended_is_refused_for_that(ids):
    rule = FILES["variance-init"].decision.model_copy(
        update={
            "primary": "gap/loss",
            "smallest_difference": 9.0,
            "alpha": 0.49,
            "guards": {},
            "looks": (3, 6),
        }
    )
    declared = small("variance-init", seeds=tuple(range(6)), decision=rule)
    run_id = record_study(declared)
    of_study = f"tags.study = '{declared.key}' and tags.role = 'run'"
    for run in mlflow.search_runs(
        search_all_experiments=True, filter_string=of_study, output_format="list"
    ):
        if run.data.tags["seed"] in "345":
            mlflow.delete_run(run.info.run_id)
    with pytest.raises(UsageError, match="at a look after 3 of 6; declare it without looks"):
        read_variance([run_id, ids["variance-all"]], str)
