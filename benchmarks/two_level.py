"""The intervals for images like these, of made-up predictions: time, after imports, and memory.

Two regimes of 10 seeds and 10,000 images, three metrics, 10,000 resamples of seeds and images; then
nine regimes. Each in a process of its own, so that the memory is its own.

    uv run python benchmarks/two_level.py
"""

from __future__ import annotations

import multiprocessing
import resource
import time

import numpy as np

from fashion_dropout.comparison.two_level import ImageScores, image_intervals

IMAGES = 10_000
SEEDS = 10


def run(rng: np.random.Generator, shift: float) -> ImageScores:
    confidence = rng.uniform(0.3, 1, IMAGES).astype(np.float32)
    correct = rng.random(IMAGES) < confidence - shift
    bins = np.ceil(confidence * 15 - 1).astype(np.uint8)
    loss = rng.exponential(0.3 + shift, IMAGES).astype(np.float32)
    return ImageScores(loss, correct, confidence - correct, bins)


def measure(regimes: int) -> None:
    rng = np.random.default_rng(0)
    names = [f"regime {number}" for number in range(regimes)]
    scores = {
        (name, seed): run(rng, 0.02 * number)
        for number, name in enumerate(names)
        for seed in range(SEEDS)
    }
    before = peak()
    began, worked = time.perf_counter(), time.process_time()
    found = image_intervals(scores, names[1:], names[0], 0.95)
    print(
        f"{regimes} × {SEEDS} runs × {IMAGES:,} images, {len(found)} intervals: "
        f"{time.perf_counter() - began:.1f} s ({time.process_time() - worked:.1f} s of the CPU), "
        f"{peak() - before:.0f} MiB more than the {before:.0f} MiB of before",
        flush=True,
    )


def peak() -> float:
    """The most memory that this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    for regimes in (2, 9):
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(regimes,))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
