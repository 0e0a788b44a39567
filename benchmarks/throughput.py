"""Training throughput on one core: this project's loop against stock Keras `fit`.

Both train the same network on the same number of random images, in turn, each time in a process of
its own that is bound to one core. Warm-up (tracing) is left out on both sides.

    uv run python benchmarks/throughput.py [--rounds 5] [--images 12800]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import click
import numpy as np

BATCH = 64
_CHILD = "FASHION_DROPOUT_BENCHMARK"


def ours(images: int) -> float:
    from fashion_dropout.config.training import TrainingConfig
    from fashion_dropout.learning.dataset import Examples
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer

    examples = Examples(*random_examples(images))
    config = TrainingConfig(epochs=3, batch_size=BATCH)
    classifier = build_classifier(build_network(config.dropout, config.seed))
    trainer = Trainer(classifier, examples, Examples(*random_examples(1000)), config)
    return statistics.median(record.images_per_second for record in trainer.epochs())


def stock(images: int) -> float:
    import keras

    from fashion_dropout.learning.model import build_network

    pixels, labels = random_examples(images)
    scaled = (pixels / 255).astype(np.float32)
    network = build_network(0.5, 0)
    network.compile("adam", "sparse_categorical_crossentropy")
    speeds: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            speeds.append(images / (time.perf_counter() - self.began))

    network.fit(scaled, labels, batch_size=BATCH, epochs=4, verbose=0, callbacks=[Clock()])
    return statistics.median(speeds[1:])


def random_examples(count: int):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
    return images, rng.integers(0, 10, count).astype(np.uint8)


def measure(which: str, images: int) -> float:
    done = subprocess.run(
        [sys.executable, __file__, "--images", str(images)],
        env={**os.environ, _CHILD: which, "TF_NUM_INTEROP_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--images", default=12_800, show_default=True)
def main(rounds: int, images: int) -> None:
    if child := os.environ.get(_CHILD):
        core = min(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
        from fashion_dropout.learning.runtime import start_tensorflow

        start_tensorflow(1)
        print({"ours": ours, "stock": stock}[child](images))
        return
    pairs = []
    for round_number in range(1, rounds + 1):
        pair = measure("ours", images), measure("stock", images)
        pairs.append(pair)
        print(
            f"round {round_number}: ours {pair[0]:,.0f}, keras fit {pair[1]:,.0f} images/s, "
            f"ratio {pair[0] / pair[1]:.2f}"
        )
    print(
        f"median on one core: ours {statistics.median(p[0] for p in pairs):,.0f}, keras fit "
        f"{statistics.median(p[1] for p in pairs):,.0f} images/s, ratio "
        f"{statistics.median(p[0] / p[1] for p in pairs):.2f}"
    )


if __name__ == "__main__":
    main()
