"""How a run ends, in a real store, whatever happens inside it."""

from __future__ import annotations

import os
import signal

import mlflow
import pytest

from fashion_dropout.errors import Interrupted, TrackingError, TrainingDivergedError
from fashion_dropout.interrupts import interruptible, shielded
from fashion_dropout.tracking.recording.launched import end_launched_run
from fashion_dropout.tracking.recording.run import tracked_run
from faulty import fill, small_disk


def opened(**changes):
    arguments = {
        "name": "dropout-seed0",
        "description": "a run",
        "params": {"dropout": 0.5, "seed": 0},
        "tags": {"role": "run"},
    }
    return tracked_run(**{**arguments, **changes})


def only_run():
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TrainingDivergedError("loss is nan"), "FAILED"),
        (ValueError("two\nlines"), "FAILED"),
        (SystemExit(3), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (Interrupted(signal.SIGTERM), "KILLED"),
    ],
)
def test_a_run_that_breaks_off_says_so(error, status):
    with pytest.raises(type(error)), opened():
        raise error
    run = only_run()
    assert run.info.status == status
    assert run.info.end_time
    assert run.data.tags["error"] == (" ".join(str(error).split()) or type(error).__name__)
    assert mlflow.active_run() is None


@pytest.mark.usefixtures("store")
def test_a_run_that_ends_well_is_finished():
    with opened() as tracked:
        tracked.log_metrics({"a": 1.0}, step=1)
    assert only_run().info.status == "FINISHED"
    assert "error" not in only_run().data.tags


@pytest.mark.usefixtures("store")
def test_a_real_signal_ends_a_run_as_killed():
    with interruptible(), pytest.raises(Interrupted) as stopped, opened():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.sigtimedwait([], 1)
    assert stopped.value.exit_code == 143
    assert only_run().info.status == "KILLED"


def test_a_signal_waits_until_a_shielded_step_is_done():
    done = []
    with interruptible(), pytest.raises(Interrupted), shielded():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("step")
    assert done == ["step"]


def test_a_second_sigterm_does_not_cut_the_clean_up_short():
    with interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Interrupted:
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.usefixtures("store")
def test_mlflow_refusing_something_is_one_line():
    with pytest.raises(TrackingError) as refused, opened() as tracked:
        tracked.log_metrics({"not a name?": 1.0}, step=1)
    assert "\n" not in str(refused.value)
    assert only_run().info.status == "FAILED"


@pytest.fixture
def launched(store, monkeypatch):
    """A run as ``mlflow run`` leaves it for the program: begun, with parameters as typed."""
    client = mlflow.MlflowClient()
    run = client.create_run("0", run_name="able-newt-12")
    client.log_param(run.info.run_id, "dropout", "0.50")
    client.log_param(run.info.run_id, "data_dir", "''")
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    return run.info.run_id


def test_a_launched_run_is_taken_up_and_its_parameters_are_logged_once(launched):
    with opened() as tracked:
        assert tracked.run_id == launched
    run = only_run()
    assert run.info.status == "FINISHED"
    assert run.data.params == {"dropout": "0.50", "data_dir": "''", "seed": "0"}
    assert run.info.run_name == "dropout-seed0"


def test_a_name_that_the_user_chose_stays(launched):
    mlflow.MlflowClient().update_run(launched, name="my run")
    with opened():
        pass
    assert only_run().info.run_name == "my run"


def test_a_name_of_the_users_that_looks_invented_stays(launched):
    mlflow.MlflowClient().update_run(launched, name="exp-baseline-2")
    with opened():
        pass
    assert only_run().info.run_name == "exp-baseline-2"


def test_a_parameter_recorded_with_another_value_is_refused(launched):
    with (
        pytest.raises(TrackingError, match=r"dropout .* 0\.4, received '0\.50'"),
        opened(params={"dropout": 0.4}),
    ):
        pass
    assert only_run().info.status == "FAILED"


def test_a_launched_run_that_could_not_begin_says_why(launched):
    end_launched_run(Interrupted(signal.SIGTERM))
    assert only_run().info.status == "KILLED"
    end_launched_run(ValueError("later"))
    assert only_run().data.tags["error"] == "stopped by SIGTERM"


@pytest.mark.usefixtures("store")
def test_mlflows_own_variables_choose_the_experiment(monkeypatch):
    def experiment_of_the_run(**changes) -> str:
        with opened(**changes) as tracked:
            return mlflow.get_experiment(tracked.experiment_id).name

    assert experiment_of_the_run() == "fashion-mnist-dropout"
    assert experiment_of_the_run(experiment="mine") == "mine"
    theirs = mlflow.MlflowClient().create_experiment("theirs")
    with monkeypatch.context() as by_name:
        by_name.setenv("MLFLOW_EXPERIMENT_NAME", "another")
        assert experiment_of_the_run() == "another"
        assert experiment_of_the_run(experiment="mine") == "mine"
    with monkeypatch.context() as by_id:
        by_id.setenv("MLFLOW_EXPERIMENT_ID", theirs)
        assert experiment_of_the_run() == "theirs"
    assert experiment_of_the_run() == "fashion-mnist-dropout"


@pytest.mark.usefixtures("store")
def test_every_run_but_a_cell_sees_that_its_experiment_is_described():
    """A promotion may be the first run of an experiment; before a cell there is its study's run."""
    of_study = {"study.run": "0" * 32}
    for name, tags, described in (
        ("promoted", {"role": "promotion", **of_study}, True),
        ("cells", {"role": "run", "study.cell": "none-seed0", **of_study}, False),
    ):
        with opened(experiment=name, tags=tags):
            pass
        found = mlflow.get_experiment_by_name(name).tags
        assert ("mlflow.note.content" in found) == described


@pytest.mark.usefixtures("store")
def test_the_experiments_description_is_never_overwritten():
    with opened() as tracked:
        experiment = tracked.experiment_id
    client = mlflow.MlflowClient()
    described = client.get_experiment(experiment).tags["mlflow.note.content"]
    assert described.startswith("**Does dropout change")
    assert f"(#/experiments/{experiment}/runs?" in described
    client.set_experiment_tag(experiment, "mlflow.note.content", "by hand")
    with opened():
        pass
    assert client.get_experiment(experiment).tags["mlflow.note.content"] == "by hand"


@pytest.mark.usefixtures("store")
def test_a_run_for_whose_journal_there_is_no_room_does_not_stay_running(tmp_path, monkeypatch):
    with small_disk(tmp_path / "disk", 64) as disk:
        fill(disk)
        monkeypatch.setenv("FASHION_DROPOUT_STATE", str(disk))
        with pytest.raises(TrackingError, match="No space left on device"), opened():
            pass
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.info.status == "FAILED"
    assert "No space left on device" in run.data.tags["error"]


@pytest.mark.usefixtures("store")
def test_a_study_that_is_concluded_again_has_its_new_figures():
    study = {"role": "study"}
    with pytest.raises(KeyboardInterrupt), opened(tags=study) as tracked:
        tracked.log_metrics({"diff/gap/loss/mean": 1.0}, step=0)
        tracked.settle()
        raise KeyboardInterrupt
    with opened(tags=study, resume=tracked.run_id) as again:
        again.log_metrics({"diff/gap/loss/mean": 2.0}, step=0)
    assert only_run().data.metrics == {"diff/gap/loss/mean": 2.0}


@pytest.mark.usefixtures("store")
def test_a_run_whose_parameter_mlflow_has_cut_goes_on():
    params = {"seeds": ",".join(map(str, range(2_000)))}
    with pytest.raises(KeyboardInterrupt), opened(params=params) as tracked:
        tracked.settle()
        raise KeyboardInterrupt
    with opened(params=params, resume=tracked.run_id):
        pass
    assert only_run().info.status == "FINISHED"


@pytest.mark.usefixtures("store")
def test_a_study_goes_on_after_its_file_was_put_in_another_order():
    """Seeds, regimes and guards are recorded as they were written; the study is the same one."""
    with pytest.raises(KeyboardInterrupt), opened(params={"seeds": "0,1"}) as tracked:
        tracked.settle()
        raise KeyboardInterrupt
    with opened(params={"seeds": "1,0", "alpha": 0.05}, resume=tracked.run_id):
        pass
    assert only_run().info.status == "FINISHED"
    assert only_run().data.params == {"seeds": "0,1", "alpha": "0.05"}
