"""What a run costs besides training and evaluation: MLflow, files, figures and the stored model.

Times one whole run in this process. What is clearly not tracking is timed where it happens:
starting TensorFlow, reading the data, building and compiling, the epochs with their evaluation,
and the final predictions. All the rest of the run counts as tracking, importing MLflow included.

    uv run python benchmarks/tracking.py [--epochs 20]
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections import Counter
from contextlib import contextmanager

import click

SPENT: Counter[str] = Counter()


@contextmanager
def spending(what: str):
    began = time.perf_counter()
    try:
        yield
    finally:
        SPENT[what] += time.perf_counter() - began


def timed(what, function):
    def wrapper(*arguments, **options):
        with spending(what):
            return function(*arguments, **options)

    return wrapper


def timed_steps(what, function):
    """The same for a generator: only the time inside it counts, not what its user does."""

    def wrapper(*arguments, **options):
        steps = function(*arguments, **options)
        while True:
            with spending(what):
                try:
                    step = next(steps)
                except StopIteration:
                    return
            yield step

    return wrapper


@click.command()
@click.option("--epochs", default=20, show_default=True)
def main(epochs: int) -> None:
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    began = time.perf_counter()
    from fashion_dropout.learning.runtime import start_tensorflow

    with spending("starting TensorFlow"):
        start_tensorflow(1)
        from fashion_dropout.learning import dataset, inference, model, split, training
    inference.predict = timed("evaluation", inference.predict)
    training.Trainer.__init__ = timed("building and compiling", training.Trainer.__init__)
    training.Trainer.epochs = timed_steps("training and evaluation", training.Trainer.epochs)
    model.build_network = timed("building and compiling", model.build_network)
    model.build_classifier = timed("building and compiling", model.build_classifier)
    dataset.open_dataset = timed("reading the data", dataset.open_dataset)
    split.stratified_split = timed("reading the data", split.stratified_split)
    dataset.FashionMnist._read = timed("reading the data", dataset.FashionMnist._read)

    from fashion_dropout.tracking.store import connect

    connect.connect = timed("tracking, setting up a new store once", connect.connect)

    from fashion_dropout.commands.console import Lines
    from fashion_dropout.config.training import TrainingConfig
    from fashion_dropout.runs.train import train_run

    with tempfile.TemporaryDirectory() as folder:
        home = os.getcwd()  # noqa: PTH109
        os.chdir(folder)
        train_run(TrainingConfig(epochs=epochs), Lines(epochs))
        os.chdir(home)
    whole = time.perf_counter() - began
    SPENT["tracking, all the rest"] = whole - SPENT.total()
    for what, spent in SPENT.most_common():
        print(f"{spent:8.2f} s  {spent / whole:6.1%}  {what}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tracking = sum(spent for what, spent in SPENT.items() if what.startswith("tracking"))
    print(f"{tracking:8.2f} s  {tracking / whole:6.1%}  both parts of tracking")
    print(f"{whole:8.2f} s          in all, {epochs} epochs; peak memory {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
