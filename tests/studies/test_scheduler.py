"""A cluster that is already there: what it must be like, and that a study outlives its client."""

from __future__ import annotations

import signal
import socket
from dataclasses import replace
from types import SimpleNamespace

import mlflow
import pytest
from distributed import LocalCluster

from conftest import ROOT, run_here
from dask_processes import cluster
from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import ClusterError, DataError, FashionDropoutError, UsageError
from fashion_dropout.learning import runtime
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.studies import fitness, scheduler
from fashion_dropout.studies.cell import Session
from fashion_dropout.studies.fitness import Fitness, Needs, differences, needs_of, usual_dir
from fashion_dropout.studies.scheduler import Scheduler, kernels_that_differ
from faults.interrupting import running, wait_for
from study_text import study_text
from tracking_server import HOST

CONFIG = TrainingConfig(dataset="synthetic")
SECRET = "postgresql://me:secret@127.0.0.1/mlflow"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("localhost:8786", "tcp://localhost:8786"),
        ("10.0.0.1:8786", "tcp://10.0.0.1:8786"),
        ("tcp://node-1.example:80", "tcp://node-1.example:80"),
        ("tls://[::1]:8786", "tls://[::1]:8786"),
    ],
)
def test_an_address_is_taken_as_people_write_it(given, address):
    assert Scheduler.named(given) == Scheduler(address, 30)


@pytest.mark.parametrize(
    "given",
    [
        "nonsense",
        "localhost",
        "http://localhost:8786",
        "tcp://me:secret@host:8786",
        "localhost:99999",
        "[10.0.0.1]:8786",
        "tcp://[abc]:8786",
        " ",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_done(command, tmp_path, given):
    with pytest.raises(UsageError, match="such as localhost:8786"):
        Scheduler.named(given)
    (tmp_path / "far.toml").write_text(study_text("far", [0], {"epochs": 1}))
    done = command("compare", "far.toml", "--scheduler", given)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "secret" not in line
    assert [path.name for path in tmp_path.iterdir()] == ["far.toml"]


def refused(address: str) -> str:
    with pytest.raises(ClusterError) as error, scheduler.connected(Scheduler(address)):
        pass
    return str(error.value)


def test_what_does_not_answer_as_a_scheduler_is_one_line(monkeypatch):
    monkeypatch.setattr(scheduler, "_CONNECT_SECONDS", 2)
    assert "Connection refused" in refused(f"tcp://{HOST}:9")
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        said = refused(f"tcp://{HOST}:{port}")
        assert "received no answer as one within 2 s; start one with `dask scheduler`" in said
        assert "DISTRIBUTED__COMM__TLS__CA_FILE" in refused(f"tls://{HOST}:{port}")


def test_a_worker_without_the_program_is_told_to_install_it():
    said = scheduler._objection(ModuleNotFoundError("No module named 'fashion_dropout'"))
    assert "No module named 'fashion_dropout'" in said
    assert "install it in the environment of `dask worker`" in said


def test_kernels_that_differ_are_named_with_their_workers():
    two, one = Fitness("", "oneDNN with avx2 on cpu"), Fitness("", "oneDNN with avx512_core on cpu")
    assert kernels_that_differ({"a": two, "b": two, "c": Fitness("")}) == ""
    said = kernels_that_differ({"a": two, "b": one, "c": two})
    assert "oneDNN with avx2 on cpu (2 workers), oneDNN with avx512_core on cpu (1 worker)" in said


def test_versions_and_code_that_differ_are_named_with_both():
    own = fitness.own_versions()
    assert {"fashion_dropout", "tensorflow", "keras", "numpy", "mlflow", "dask"} <= dict(own).keys()
    assert differences(own, own) == ""
    other = tuple((name, "1.0" if name == "keras" else text) for name, text in own)
    assert differences(own, other) == f"keras {dict(own)['keras']} as here, received 1.0"
    assert "training code" in differences(own, other[:-1])


def test_the_users_folder_of_data_is_taken_where_it_is_there(tmp_path):
    elsewhere = tmp_path / "of-another-machine"
    assert usual_dir(tmp_path, "fashion-mnist") == tmp_path
    assert usual_dir(elsewhere, "fashion-mnist") is None
    assert usual_dir(elsewhere, "idx") == elsewhere  # a user's own images are nowhere else
    assert usual_dir(None, "idx") is None


@pytest.fixture
def needs(store: str) -> Needs:
    return needs_of(CONFIG, open_dataset("synthetic"), None, "far")


def test_a_worker_that_is_as_here_is_fit_and_asked_once(needs, monkeypatch):
    found = fitness.fitness(needs, threads=1)
    assert found.objection == ""
    assert found.kernels
    monkeypatch.setattr(fitness, "_examined", lambda *_: pytest.fail("asked again"))
    assert fitness.fitness(needs, threads=1) is found


def test_more_threads_and_other_code_are_refused_without_asking_for_more(needs, monkeypatch):
    monkeypatch.setattr(fitness, "submitted", lambda *_: pytest.fail("asked for more"))
    assert "received 2, which would train 2 cells" in fitness.fitness(needs, threads=2).objection
    code = (*needs.versions[:-1], ("training code", "0" * 12))
    said = fitness.fitness(replace(needs, versions=code), threads=1).objection
    assert said.startswith("expected training code 000000000000 as here, received ")


def look(needs: Needs) -> str:
    before = mlflow.get_tracking_uri()
    try:
        with pytest.raises(FashionDropoutError) as error:
            fitness._look_around(needs)
    finally:
        mlflow.set_tracking_uri(before)
    return str(error.value)


@pytest.mark.slow  # waits for what does not answer
def test_another_store_other_files_and_other_data_are_refused(needs, tmp_path, monkeypatch):
    assert "received no such file" in look(replace(needs, tracking_uri="sqlite:////far/mlflow.db"))
    assert "received another one at" in look(replace(needs, place="0" * 16))
    assert "received another one at" in look(replace(needs, experiment_id="77"))
    assert "received none; use a server" in look(replace(needs, folder=("/far/mlruns/1", 1)))
    folder, _ = needs.folder
    assert "received another one; use a server" in look(replace(needs, folder=(folder, 1)))
    assert "received" in look(replace(needs, dataset_sha256="0" * 64))
    monkeypatch.setenv("FASHION_MNIST_DIR", str(tmp_path / "empty"))
    real = CONFIG.model_copy(update={"dataset": "fashion-mnist"})
    with pytest.raises(DataError, match="no such file"):
        fitness._look_around(replace(needs, config=real))
    silent = f"http://me:secret@{HOST}:9"
    said = look(replace(needs, tracking_uri=silent))
    assert "Connection refused" in said
    assert "secret" not in said


def test_the_password_of_the_store_is_not_in_what_dask_may_log(needs):
    session = Session("name", SECRET, "far", None, "digest", "run", {}, fresh=False, needs=needs)
    assert "secret" not in repr(session)
    assert "secret" not in repr(replace(needs, tracking_uri=SECRET))


def test_the_same_cells_have_the_same_keys_in_the_same_experiment_only(needs):
    again = needs_of(CONFIG, open_dataset("synthetic"), None, "far")
    assert again.digest == needs.digest
    assert needs_of(CONFIG, open_dataset("synthetic"), None, "other").digest != needs.digest


@pytest.mark.slow
@pytest.mark.long
def test_a_study_on_a_cluster_from_a_refused_worker_to_a_lost_scheduler(tmp_path):
    """One scheduler, because each start of a worker takes seconds. The URI of the store is
    relative, and the workers are in another folder.
    """
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "far.toml").write_text(study_text("far", [0], {"epochs": 6}))
    uri = f"sqlite:///{here}/mlflow.db"
    environment = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}

    def runs(kind: str) -> list[mlflow.entities.Run]:
        mlflow.set_tracking_uri(uri)
        found = mlflow.search_runs(search_all_experiments=True, output_format="list")
        return [run for run in found if run.data.tags["role"] == kind]

    with cluster(there) as dask:
        verb = ("compare", "far.toml", "--scheduler", dask.address.removeprefix("tcp://"))
        first = dask.scheduler()
        two = dask.worker(threads=2)
        refused = run_here(*verb, cwd=here, environment=environment)
        assert refused.returncode == 1, refused.stderr
        (line,) = refused.stderr.splitlines()
        assert f"worker tcp://{HOST}:" in line
        assert "expected 1 thread, received 2" in line
        dask.kill(two)
        alone = run_here(*verb, "--wait-for-workers", "0", cwd=here, environment=environment)
        assert alone.returncode == 1
        (line,) = alone.stderr.splitlines()
        assert f"expected a worker of {dask.address}, received none within 0 s" in line
        assert runs("study") == []

        dask.worker()
        with running(*verb, cwd=here, environment=environment) as closed:
            wait_for(closed, "none-seed0: epoch 1/")
            closed.send_signal(signal.SIGKILL)
        done = run_here(*verb, cwd=here, environment=environment)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "on the cluster already: waited for" in done.stdout
        assert [run.info.status for run in runs("run")] == ["FINISHED"] * 2
        (study,) = runs("study")
        assert {run.data.tags["study.run"] for run in runs("run")} == {study.info.run_id}
        assert not list(there.glob("mlflow.db*"))

        with running(*verb, "--fresh", cwd=here, environment=environment) as lost:
            wait_for(lost, "none-seed0: epoch 1/")
            dask.kill(first)
            _, said = lost.communicate(timeout=60)
        assert lost.returncode == 1
        (line,) = said.splitlines()
        assert "received a lost connection, a restart" in line
        assert "the same command, without --fresh, goes on with what is missing" in line


def test_a_worker_that_leaves_while_it_is_asked_stops_no_study(needs):
    there = iter([{"a": {}, "b": {}}, {"a": {}}])
    client = SimpleNamespace(
        scheduler_info=lambda n_workers: {"workers": next(there)},
        run=lambda *_, **__: {"a": Fitness(""), "b": OSError("Timed out")},
    )
    said: list[str] = []
    scheduler.check_workers(client, Scheduler("tcp://far:8786"), needs, said.append)
    assert said == ["asking 2 workers of tcp://far:8786"]


def test_a_worker_that_has_started_tensorflow_otherwise_is_refused_before_its_first_cell(
    needs, monkeypatch
):
    monkeypatch.setattr(runtime, "_started", None)
    monkeypatch.setattr(fitness, "_examined", lambda *_: Fitness(""))
    assert fitness.fitness(needs, threads=1).objection == ""
    monkeypatch.setattr(runtime, "_started", runtime._Settings(1, "portable", "auto"))
    said = fitness.fitness(needs, threads=1).objection
    assert said.startswith("expected kernels portable, as TensorFlow works with in this process")
    assert said.endswith("received native; use another process: restart the worker")


@pytest.mark.parametrize(("page", "named"), [("team.md", "kernels"), ("team.ja.md", "カーネル")])
def test_the_page_names_all_that_a_worker_is_refused_for(page, named):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert any(named in row for row in text.splitlines() if row.startswith("| "))


def test_a_scheduler_of_another_dask_is_refused_in_one_line(monkeypatch):
    real = scheduler.get_versions()["packages"]
    own = {"packages": {**real, "distributed": "2026.7.1", "numpy": "1.0.0"}}
    monkeypatch.setattr(scheduler, "get_versions", lambda: own)
    with LocalCluster(
        n_workers=0,
        processes=False,
        protocol="tcp://",
        host=HOST,
        dashboard_address=f"{HOST}:0",
    ) as there:
        said = refused(there.scheduler_address)
    assert f"distributed 2026.7.1, received {real['distributed']}; start it from the same" in said
    assert "numpy" not in said
    assert "\n" not in said
