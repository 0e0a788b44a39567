"""A whole study against the same runs with stock Keras `fit`, one after another, on both cores.

`compare` runs quick.toml's regimes and seeds with fewer epochs, everything included: starting the
workers, evaluation, tracking, models, figures, verdict and report. The other side is `fit` alone,
in one warm process, with the validation split as `validation_data`, half before and half after.

    uv run python benchmarks/study.py [--epochs 8] [--fits 12]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

QUICK = Path(__file__).resolve().parents[1] / "experiments/dropout/quick.toml"


def ours(epochs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quick.toml"
        text = QUICK.read_text(encoding="utf-8")
        path.write_text(re.sub(r"epochs = \d+", f"epochs = {epochs}", text), encoding="utf-8")
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "fashion_dropout", "compare", str(path)],
            cwd=folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")},
            capture_output=True,
            check=True,
        )
        return time.perf_counter() - began


def stock(epochs: int, cells: slice) -> float:
    """Seconds of some of the fits: all of them do the same work."""
    import numpy as np

    from fashion_dropout.config.study import read_study
    from fashion_dropout.learning.dataset import open_dataset
    from fashion_dropout.learning.model import build_network
    from fashion_dropout.learning.split import stratified_split

    study = read_study(QUICK)
    dataset = open_dataset(study.dataset)
    parts = stratified_split(dataset.training(), dataset.validation_size, study.split_seed)
    (images, labels), validation = [
        ((part.images / 255).astype(np.float32), part.labels) for part in parts
    ]
    began = time.perf_counter()
    for cell in study.cells()[cells]:
        network = build_network(cell.config.dropout, cell.config.seed_of("init"))
        network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        network.fit(
            images,
            labels,
            batch_size=cell.config.batch_size,
            epochs=epochs,
            validation_data=validation,
            verbose=0,
        )
    return time.perf_counter() - began


@click.command()
@click.option("--epochs", default=8, show_default=True)
@click.option("--fits", default=12, show_default=True, type=click.IntRange(1, 12))
def main(epochs: int, fits: int) -> None:
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(2)
    # Half of the fits before and half after: the speed of the machine drifts.
    half = (fits + 1) // 2
    seconds = stock(epochs, slice(0, half))
    study = ours(epochs)
    seconds += stock(epochs, slice(half, fits))
    reference = seconds * 12 / fits
    print(f"12 runs of {epochs} epochs, real data, both cores")
    print(f"compare, everything included: {study:.0f} s")
    print(f"keras fit, run after run:     {reference:.0f} s (from {fits} of 12 timed)")
    print(f"ratio: {study / reference:.2f}")


if __name__ == "__main__":
    main()
