"""What each regularizer costs in training speed, and all of them together.

uv run python benchmarks/regularizers.py [--images 20000] [--rounds 3]

One process on one core; every round trains an epoch of each, so that a drift of the machine's speed
meets them alike. The ratios are to a training with dropout alone.
"""

from __future__ import annotations

import statistics
from typing import Any

import click

from fashion_dropout.config.augmentation import AMOUNTS
from fashion_dropout.config.training import TrainingConfig

TRIED: dict[str, dict[str, Any]] = {
    "dropout alone": {},
    "label_smoothing": {"label_smoothing": 0.1},
    "weight_decay": {"weight_decay": 0.01},
    "schedule, warmup_epochs": {"schedule": "cosine", "warmup_epochs": 1},
    "average": {"average": "ema"},
    **{f"augment {name}": {"augment": name} for name in AMOUNTS},
    "all of them": {
        "label_smoothing": 0.1,
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "average": "ema",
        "augment": "+".join(AMOUNTS),
    },
}


@click.command()
@click.option("--images", default=20_000, show_default=True, help="Training images in an epoch.")
@click.option("--rounds", default=3, show_default=True)
def main(images: int, rounds: int) -> None:
    from fashion_dropout.learning.dataset import Examples, open_dataset
    from fashion_dropout.learning.runtime import start_tensorflow
    from fashion_dropout.learning.split import split_of

    start_tensorflow(1)
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer

    split = split_of(open_dataset("fashion-mnist", None, say=print), 0)
    training = Examples(split.training.images[:images], split.training.labels[:images])
    validation = Examples(split.validation.images[:100], split.validation.labels[:100])
    epochs = {}
    for name, parameters in TRIED.items():
        config = TrainingConfig(epochs=rounds, **parameters)
        classifier = build_classifier(build_network(config.dropout, config.seed_of("init")))
        epochs[name] = Trainer(classifier, training, validation, config).epochs()
    speeds: dict[str, list[float]] = {name: [] for name in TRIED}
    for _ in range(rounds):
        for name, running in epochs.items():
            speeds[name].append(next(running).images_per_second)
    alone = statistics.median(speeds["dropout alone"])
    print("| training with | images/s | ratio |\n| --- | --- | --- |")
    for name, found in speeds.items():
        median = statistics.median(found)
        print(f"| {name} | {median:,.0f} | {median / alone:.2f} |")


if __name__ == "__main__":
    main()
