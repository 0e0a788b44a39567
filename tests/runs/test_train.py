"""One run from configuration to record, inside this process."""

from __future__ import annotations

import mlflow
import pytest

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.errors import TrainingDivergedError
from fashion_dropout.learning.dataset import Synthetic
from fashion_dropout.learning.examples import Examples
from fashion_dropout.runs.description import run_name
from fashion_dropout.runs.request import RunRequest
from fashion_dropout.runs.train import record_run

pytestmark = pytest.mark.usefixtures("tensorflow", "store")


class Silent:
    def __init__(self) -> None:
        self.epochs_seen = 0

    def note(self, line: str) -> None: ...

    def batches(self, done: int, total: int) -> None: ...

    def epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self.epochs_seen = epoch


class Watched(Synthetic):
    """Remembers how many epochs had ended each time its test set was read."""

    def __init__(self, display: Silent, *, shuffled: bool = False) -> None:
        super().__init__()
        self.display, self.shuffled, self.read_after = display, shuffled, []

    def test(self) -> Examples:
        self.read_after.append(self.display.epochs_seen)
        test = super().test()
        return Examples(test.images, test.labels[::-1].copy() if self.shuffled else test.labels)


def recorded(config: TrainingConfig, *, shuffled: bool = False):
    display = Silent()
    dataset = Watched(display, shuffled=shuffled)
    summary = record_run(RunRequest(config, config.regime, fresh=True), dataset, display)
    return summary, dataset.read_after, mlflow.get_run(summary.run_id)


def weights(run) -> list[bytes]:
    (output,) = run.outputs.model_outputs
    model = mlflow.keras.load_model(f"models:/{output.model_id}")
    return [array.tobytes() for array in model.get_weights()]


@pytest.mark.slow  # two trainings with models
def test_the_test_set_is_read_after_training_and_decides_nothing():
    config = TrainingConfig(dataset="synthetic", epochs=2, learning_rate=0.004)
    one, read_after, run = recorded(config)
    other, _, other_run = recorded(config, shuffled=True)
    assert read_after == [2], "the test set is read once, when all epochs have ended"
    assert one.metrics["test/accuracy"] > 0.5 > other.metrics["test/accuracy"]
    assert one.selected_epoch == other.selected_epoch
    assert weights(run) == weights(other_run)


@pytest.mark.slow
def test_best_and_last_store_different_models_and_say_so():
    parameters = {"dataset": "synthetic", "dropout": 0.0, "epochs": 12, "learning_rate": 0.004}
    best, _, best_run = recorded(TrainingConfig(**parameters, select="best"))
    last, _, last_run = recorded(TrainingConfig(**parameters, select="last"))
    assert best.selected_epoch == best_run.data.metrics["best/epoch"] < 12
    assert last.selected_epoch == 12
    assert weights(best_run) != weights(last_run)
    assert (best_run.data.params["select"], last_run.data.params["select"]) == ("best", "last")
    for name in ("best/epoch", "best/val_loss", "val_rebound", "val/loss"):
        assert best_run.data.metrics[name] == last_run.data.metrics[name]
    (output,) = last_run.outputs.model_outputs
    linked = {m.key for m in mlflow.MlflowClient().get_logged_model(output.model_id).metrics}
    assert "best/val_loss" not in linked, "the stored model is not the one of the best epoch"


@pytest.mark.slow  # a training of its own
def test_a_diverging_run_is_failed_and_stores_no_model():
    with pytest.raises(TrainingDivergedError):
        recorded(TrainingConfig(dataset="synthetic", learning_rate=1e38))
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.info.status == "FAILED"
    assert "after epoch 1" in run.data.tags["error"]
    assert not run.outputs.model_outputs
    assert "val/loss" not in run.data.metrics


def test_only_the_real_images_give_a_plain_name():
    assert run_name(TrainingConfig(dropout=0.0, seed=7), "none") == "none-seed7"
    assert run_name(TrainingConfig(dataset="synthetic"), "dropout") == "dropout-seed0-synthetic"
    assert run_name(TrainingConfig(dataset="idx"), "dropout") == "dropout-seed0-idx"
