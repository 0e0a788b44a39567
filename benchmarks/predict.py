"""Measure the time of `fashion-dropout predict`, and how often it inverts an image wrongly.

    uv run python benchmarks/predict.py [--rounds 5]

Times are those of whole processes, next to the time of importing TensorFlow alone. Only the
images/s of one process are taken inside it. The model is an untrained one in a new store; the
images are the real test images.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from PIL import Image

from fashion_dropout.learning import archives
from fashion_dropout.learning.dataset import FashionMnist
from fashion_dropout.prediction.pictures import is_light

COMMAND = [sys.executable, "-m", "fashion_dropout", "predict"]
NAME = "fashion-mnist-cnn"
STORE = f"""
import mlflow, numpy as np
from fashion_dropout.learning.runtime import start_tensorflow
start_tensorflow(1)
from fashion_dropout.learning.model import build_classifier, build_network
from fashion_dropout.tracking.models.save import save_classifier
from fashion_dropout.tracking.models.registry import model_of
from fashion_dropout.tracking.recording.run import tracked_run
from fashion_dropout.tracking.store.connect import connect
connect()
classifier = build_classifier(build_network(0.5, 0))
example = np.zeros((2, 28, 28, 1), np.uint8)
with tracked_run(name="untrained", description="untrained", params={{}}, tags={{}}) as run:
    with run.model(step=1, params={{}}, tags={{}}) as folder:
        save_classifier(classifier, folder, classes="0123456789", example=example)
model_id = model_of(mlflow.get_run(run.run_id))
version = mlflow.register_model(f"models:/{{model_id}}", "{NAME}")
mlflow.MlflowClient().set_registered_model_alias("{NAME}", "champion", version.version)
classifier.save("model.keras")
"""
INSIDE = """
import os, sys, time
from pathlib import Path
from fashion_dropout.prediction.pictures import read_pictures
from fashion_dropout.learning.runtime import start_tensorflow
start_tensorflow(len(os.sched_getaffinity(0)))
from fashion_dropout.learning.inference import load_classifier, predict
classifier = load_classifier(Path("model.keras"))
images = read_pictures(Path(sys.argv[1])).images
for _ in range(6):
    began = time.perf_counter()
    predict(classifier, images)
    print(len(images) / (time.perf_counter() - began))
"""


def environment() -> dict[str, str]:
    """Return the environment of a user, where Python writes the .pyc files of this package."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "MLFLOW_TRACKING_URI")
    return {name: value for name, value in os.environ.items() if name not in dropped}


def run(folder: str, *command: str) -> tuple[float, str]:
    """Run a command; return the seconds that it took and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began, done.stdout


def print_wrong_inversions(directory: Path) -> None:
    """Count the images and the negatives of images whose background is_light takes wrongly."""
    dataset = FashionMnist(directory)
    for part, examples in (("test", dataset.test()), ("training", dataset.training())):
        images = examples.images[..., 0]
        inverted = sum(is_light(Image.fromarray(image)) for image in images)
        kept = sum(not is_light(Image.fromarray(255 - image)) for image in images)
        corners = np.median(images[:, [0, 0, -1, -1], [0, -1, 0, -1]], axis=1)
        print(
            f"--invert auto: {inverted:,} of {len(images):,} {part} images inverted, {kept:,} of "
            f"their negatives not; largest median of the corners {corners.max():g}"
        )


@click.command()
@click.option("--rounds", default=5, show_default=True)
def main(rounds: int) -> None:
    directory = archives.locate()
    archive = str(directory / "t10k-images-idx3-ubyte.gz")
    print_wrong_inversions(directory)
    with tempfile.TemporaryDirectory() as folder:
        run(folder, sys.executable, "-c", STORE)
        one = str(Path(folder) / "one.png")
        Image.fromarray(FashionMnist(directory).test().images[0, ..., 0]).save(one)
        cases = {
            "import tensorflow alone": [sys.executable, "-c", "import tensorflow"],
            "one image, --model champion": [*COMMAND, one],
            "one image, --model ./model.keras": [*COMMAND, one, "--model", "./model.keras"],
            "10,000 images, --model ./model.keras": [
                *COMMAND, archive, "--model", "./model.keras", "--format", "csv",
            ],
        }  # fmt: skip
        for command in cases.values():  # writes the .pyc files and warms the disk cache
            run(folder, *command)
        rows = [[run(folder, *command)[0] for command in cases.values()] for _ in range(rounds)]
        alone = [row[0] for row in rows]
        for name, seconds in zip(cases, zip(*rows, strict=True), strict=True):
            more = statistics.median(s - a for s, a in zip(seconds, alone, strict=True))
            print(
                f"{name}: {statistics.median(seconds):.2f} s "
                f"({min(seconds):.2f} – {max(seconds):.2f}), {more:+.2f} s to the import"
            )
        whole = statistics.median(row[3] - row[2] for row in rows)
        print(f"10,000 images, as a difference of processes: {9_999 / whole:,.0f} images/s")
        first, *later = map(float, run(folder, sys.executable, "-c", INSIDE, archive)[1].split())
        print(
            f"10,000 images, timed inside one process: {first:,.0f} images/s the first time, with "
            f"tracing; {statistics.median(later):,.0f} afterwards"
        )


if __name__ == "__main__":
    main()
