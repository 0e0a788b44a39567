"""Row 42: the folder of a store was renamed, moved or copied."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from PIL import Image

from conftest import ROOT, TRAIN, FinishedRun, run_command
from fashion_dropout import provenance
from fashion_dropout.cli import cli
from fashion_dropout.config.study import read_study
from fashion_dropout.errors import FashionDropoutError, TrackingError, UsageError
from fashion_dropout.studies.read import read_record
from fashion_dropout.tracking.recording.opening import experiment_id
from fashion_dropout.tracking.store.connect import connect
from fashion_dropout.tracking.store.relocation import relocate
from recorded import record_study

SMOKE = ROOT / "experiments/dropout/smoke.toml"
POLICY = str(ROOT / "experiments/promotion.toml")


def use(folder: Path) -> str:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    return uri


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the store of a study, and the id of the study's run."""
    folder, before = tmp_path_factory.mktemp("recorded"), mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        use(folder)
        run_id = record_study(read_study(SMOKE), predictions=100)
    mlflow.set_tracking_uri(before)
    return folder, run_id


@pytest.fixture
def study(store: str, workdir: Path, recorded: tuple[Path, str]) -> tuple[Path, str]:
    """A store of its own for each test that is where it says: as if it was made there."""
    folder = workdir / "project"
    shutil.copytree(recorded[0], folder)
    relocate(use(folder))
    next(folder.glob("*.before-relocate-*")).unlink()
    return folder, recorded[1]


def moved(folder: Path) -> Path:
    return folder.rename(folder.with_name("another name"))


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(folder, folder.with_name("copy")))


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def refusal(*command: str) -> str:
    result = CliRunner().invoke(cli, command)
    assert isinstance(result.exception, FashionDropoutError), (result.output, result.exception)
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize("how", [moved, copied])
def test_each_command_says_it_and_nothing_is_written(study, how: Callable[[Path], Path]):
    folder, run_id = study
    now = how(folder)
    before = content(folder), content(now)
    use(now)
    for command in (
        ("train", "--dataset", "synthetic", "--epochs", "1"),
        ("compare", str(SMOKE)),
        ("promote", run_id, "--policy", POLICY),
        *(("report", run_id), ("verify", run_id), ("history",), ("status",), ("sync",)),
    ):
        said = refusal(*command)
        assert f"to record its files in {now}/mlruns, received {folder}/mlruns: it was" in said
        assert "`fashion-dropout relocate`" in said
    assert folder.exists() == (how is copied)
    assert (content(folder), content(now)) == before


@pytest.mark.slow
def test_ui_and_predict_say_it_too(study, monkeypatch):
    now = moved(study[0])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", use(now))
    assert "it was moved or copied" in refusal("ui", "--no-browser", "--port", "5078")
    Image.linear_gradient("L").resize((28, 28)).save("picture.png")
    monkeypatch.setattr(provenance, "cores", lambda: 1)  # TensorFlow has been started with one
    assert "it was moved or copied" in refusal("predict", "picture.png")


@pytest.mark.parametrize("how", [moved, copied])
def test_relocate_mends_it_and_keeps_a_copy(study, how: Callable[[Path], Path]):
    folder, run_id = study
    database = (folder / "mlflow.db").read_bytes()
    now = how(folder)
    original = content(folder)
    use(now)
    done = CliRunner().invoke(cli, ["relocate"])
    assert done.exit_code == 0, done.output
    assert f"{folder}/mlruns is {now}/mlruns now\nrecorded for 7 runs" in done.output
    (copy,) = now.glob("mlflow.db.before-relocate-*")
    with closing(sqlite3.connect(copy)) as kept, closing(sqlite3.connect(now / "mlflow.db")) as new:
        assert str(folder) in "".join(kept.iterdump())
        assert f"{folder}/" not in "".join(new.iterdump())
    assert copy.stat().st_size == len(database)
    assert read_record(run_id).results
    experiment = mlflow.get_experiment(experiment_id(None))
    assert experiment.artifact_location == f"{now}/mlruns/1"
    client = mlflow.MlflowClient()
    client.log_text(client.create_run(experiment.experiment_id).info.run_id, "new", "note.txt")
    assert content(folder) == original
    assert "nothing to do" in CliRunner().invoke(cli, ["relocate"]).output


def test_a_file_uri_stays_one(store, workdir):
    """And what is not a letter in it stays encoded."""
    connect()
    client = mlflow.MlflowClient()
    place = (workdir / "a b" / "mlruns" / "1").as_uri()
    run = client.create_run(client.create_experiment("files", place))
    client.log_text(run.info.run_id, "text", "note.txt")
    (workdir / "a b/mlruns").rename(workdir / "mlruns")
    relocate(store)
    found = client.get_run(run.info.run_id).info.artifact_uri
    assert found == (workdir / "mlruns/1" / run.info.run_id / "artifacts").as_uri()
    assert mlflow.artifacts.load_text(f"{found}/note.txt") == "text"


def test_a_link_at_the_former_place_does_as_well(study):
    folder, run_id = study
    now = moved(folder)
    folder.symlink_to(now)
    use(now)
    connect()
    assert read_record(run_id).results


def test_a_copy_of_the_database_alone_is_refused(study, workdir):
    folder, _ = study
    (workdir / "copy").mkdir()
    shutil.copy(folder / "mlflow.db", workdir / "copy")
    uri = use(workdir / "copy")
    for use_it in (connect, lambda: relocate(uri)):
        with pytest.raises(TrackingError, match=f"a copy of {folder}/mlflow.db alone"):
            use_it()


@pytest.mark.slow  # MLflow begins a store of its own
@pytest.mark.parametrize("how", [moved, copied])
def test_a_store_without_a_finished_run_is_no_exception(store, workdir, monkeypatch, how):
    """Nothing has been stored yet, and the first run must not store it in the former folder."""
    folder = workdir / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    use(folder)
    connect()
    mlflow.MlflowClient().create_run(experiment_id(None))
    monkeypatch.chdir(workdir)
    now = how(folder)
    uri = use(now)
    with pytest.raises(TrackingError, match="it was moved or copied"):
        connect()
    relocate(uri)
    connect()
    found = mlflow.get_experiment(experiment_id(None)).artifact_location
    assert found == f"{now}/mlruns/1"


def test_experiments_that_were_left_behind_are_named(study):
    """The folder of the store and one of its experiments were moved, another one was lost."""
    folder, _ = study
    client = mlflow.MlflowClient()
    other = client.create_experiment("other", f"{folder}/mlruns/2")
    client.set_terminated(client.create_run(other, tags={"role": "run"}).info.run_id)
    uri = use(moved(folder))
    with pytest.raises(TrackingError, match=r"files of experiment other in .*, received none"):
        relocate(uri)


def test_a_copy_that_lacks_files_is_not_relocated(study):
    folder, run_id = study
    now = copied(folder)
    shutil.rmtree(now / "mlruns/1" / run_id)
    uri = use(now)
    before = content(now)
    with pytest.raises(TrackingError, match=f"received some of them in {folder}"):
        relocate(uri)
    assert content(now) == before


def test_what_is_no_store_of_this_folder_is_not_relocated(workdir):
    for uri in (
        "http://127.0.0.1:9",
        "postgresql://me@127.0.0.1:9/x",
        f"sqlite:///{workdir}/no.db",
    ):
        with pytest.raises(UsageError, match="expected a store in a SQLite file"):
            relocate(uri)
    assert list(workdir.iterdir()) == []


def test_places_that_somebody_has_chosen_go_on_working(study, workdir):
    """`mlflow experiments create --artifact-location`, a server's `--default-artifact-root`, and a
    store that is named from another folder: the files are not beside the database there.
    """
    folder, _ = study
    chosen = [workdir / "shared/mlruns/2", workdir / "elsewhere", Path("/data") / "mlruns" / "7"]
    client = mlflow.MlflowClient()
    for number, place in enumerate(chosen):
        client.create_experiment(f"chosen {number}", str(place))
    client.create_experiment("bucket", "s3://bucket/mlruns/1")
    client.create_experiment("proxied", "mlflow-artifacts:/9")
    for name in ("chosen 0", "chosen 1", "bucket", "proxied"):
        connect()
        client.create_run(experiment_id(name))
    run = client.create_run(experiment_id("chosen 0"))
    client.log_text(run.info.run_id, "text", "note.txt")
    connect()
    uri = use(moved(folder))
    relocate(uri)
    connect()
    assert mlflow.get_run(run.info.run_id).info.artifact_uri.startswith(str(chosen[0]))
    places = {mlflow.get_experiment_by_name(f"chosen {n}").artifact_location for n in range(3)}
    assert places == set(map(str, chosen))
    assert mlflow.get_experiment_by_name("bucket").artifact_location == "s3://bucket/mlruns/1"


@pytest.mark.slow  # a recorded study
def test_files_that_are_gone_from_a_chosen_place_are_not_made_again(store, workdir):
    """A disk that is not mounted, or a database without its files on another machine."""
    (workdir / "stores").mkdir()
    use(workdir / "stores")
    connect()
    client = mlflow.MlflowClient()
    place = workdir / "disk" / "files"
    client.create_experiment("fashion-mnist-dropout", str(place))
    assert experiment_id(None) == "1"  # nothing has been stored there yet
    run_id = record_study(read_study(SMOKE))
    (workdir / "disk").rename(workdir / "unmounted")
    with pytest.raises(TrackingError, match=f"in {place}, as the store records, received no such"):
        experiment_id(None)
    assert f"expected the files of run {run_id} in {place}" in refusal("report", run_id)
    assert not (workdir / "disk").exists()


@pytest.mark.slow  # a report
def test_a_report_that_lacks_figures_says_so_on_the_terminal(study):
    folder, run_id = study
    for file in folder.rglob("predictions.npz"):
        file.unlink()
    result = CliRunner().invoke(cli, ["report", run_id])
    assert result.exit_code == 0, result.exception
    assert result.stderr.startswith("warning: the report lacks predictions of ")
    assert "and 2 more: no predictions.npz that can be read is recorded" in result.stderr


@pytest.mark.slow
def test_a_real_run_is_known_again_and_its_model_predicts(finished_run: FinishedRun, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(finished_run.folder, folder)
    refused = run_command(*TRAIN, cwd=folder)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "`fashion-dropout relocate`" in refused.stderr
    assert run_command("relocate", cwd=folder).returncode == 0
    again = run_command(*TRAIN, cwd=folder)
    assert "nothing is trained again" in again.stdout + again.stderr
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    model = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert model.artifact_location.startswith(str(folder))
    assert (Path(model.artifact_location) / "MLmodel").is_file()
