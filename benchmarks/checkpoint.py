"""What a checkpoint and the journal cost: times, and their shares of an epoch on the real data.

uv run python benchmarks/checkpoint.py [--epochs 3] [--checkpoints 20]
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import click

from fashion_dropout.config.training import TrainingConfig
from fashion_dropout.learning.dataset import open_dataset
from fashion_dropout.learning.runtime import start_tensorflow
from fashion_dropout.learning.split import split_of

ENTRIES = 3
"""What an epoch writes to the journal: its own metrics, and those of the system about twice."""


@click.command()
@click.option("--epochs", default=3, show_default=True)
@click.option("--checkpoints", default=20, show_default=True, help="Written after each epoch.")
def main(epochs: int, checkpoints: int) -> None:
    start_tensorflow(1)
    from fashion_dropout.learning import checkpoint
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer
    from fashion_dropout.tracking.recording.outbox import Journal

    config = TrainingConfig(epochs=epochs)
    split = split_of(open_dataset(config.dataset), config.seed_of("split"))
    classifier = build_classifier(build_network(config.dropout, config.seed_of("init")))
    trainer = Trainer(classifier, split.training, split.validation, config)
    of_epochs, of_checkpoints, of_entries, size = [], [], [], 0
    with tempfile.TemporaryDirectory(dir=".") as folder:  # a temporary folder may be in memory
        journal = Journal(Path(folder) / "journal", about={})
        began = time.perf_counter()
        for record in trainer.epochs():
            of_epochs.append(time.perf_counter() - began)
            for _ in range(checkpoints):
                began = time.perf_counter()
                saved = checkpoint.Checkpoint(record.epoch, trainer.state(), {})
                size = checkpoint.write(Path(folder), saved).stat().st_size
                of_checkpoints.append(time.perf_counter() - began)
                began = time.perf_counter()
                for _ in range(ENTRIES):
                    journal.write("metrics", metrics=record.metrics(), step=record.epoch)
                of_entries.append(time.perf_counter() - began)
            began = time.perf_counter()
    epoch, one = statistics.median(of_epochs), statistics.median(of_checkpoints)
    print(f"a checkpoint: {size / 1e6:.2f} MB, median {one * 1e3:.1f} ms of {len(of_checkpoints)}")
    print(f"longest {max(of_checkpoints) * 1e3:.1f} ms")
    print(f"an epoch with its evaluation: median {epoch:.2f} s")
    written = statistics.median(of_entries)
    print(f"{ENTRIES} entries of an epoch in the journal: median {written * 1e3:.1f} ms")
    whole = epoch + one + written
    print(f"share of an epoch: checkpoint {one / whole:.2%}, journal {written / whole:.2%}")


if __name__ == "__main__":
    main()
