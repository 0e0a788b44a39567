"""The training loop of this program against its peers, and against the limit of the machine.

All train the network of the README with Adam, batches of 64 and dropout 0.5 on the same images of
Fashion-MNIST, in turn, each time in a process of its own that is bound to one core or to two. The
first epoch, in which they trace and compile, is not timed. On two cores this program trains two
runs at once, as a study does; the others train one. PyTorch and JAX are skipped with a line if they
are not installed:

    uv run --with jax==0.10.2 --with torch==2.13.0 python benchmarks/peers.py
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

if TYPE_CHECKING:
    from fashion_dropout.learning.kernels import KernelChoice

BATCH, EPOCHS, TESTED = 64, 4, 5_000
MFLOP_PER_IMAGE = 15.8  # forward and backward, counted from the layers of the README's table
CHILD = "FASHION_DROPOUT_PEER"


@dataclass(frozen=True)
class Measured:
    """Images a second in all processes together, and the accuracy on test images."""

    speed: float
    accuracy: float


def real_images(images: int):
    """Training images scaled to [0, 1], their labels, and test images with theirs."""
    from fashion_dropout.learning.dataset import open_dataset

    dataset = open_dataset("fashion-mnist")
    training, test = dataset.training(), dataset.test()
    scaled = [(part.images / 255).astype(np.float32) for part in (training, test)]
    return (
        *(scaled[0][:images], training.labels[:images].astype(np.int64)),
        *(scaled[1][:TESTED], test.labels[:TESTED].astype(np.int64)),
    )


def ours(images: int, kernels: KernelChoice = "native") -> Measured:
    from fashion_dropout.learning.runtime import start_tensorflow

    start_tensorflow(1, kernels)
    from fashion_dropout.config.training import TrainingConfig
    from fashion_dropout.learning.dataset import Examples, open_dataset
    from fashion_dropout.learning.model import build_classifier, build_network
    from fashion_dropout.learning.training import Trainer

    dataset = open_dataset("fashion-mnist")
    training, test = dataset.training(), dataset.test()
    config = TrainingConfig(epochs=EPOCHS, batch_size=BATCH)
    parts = (
        Examples(training.images[:images], training.labels[:images]),
        Examples(test.images[:TESTED], test.labels[:TESTED]),
    )
    trainer = Trainer(build_classifier(build_network(0.5, 0)), *parts, config)
    records = list(trainer.epochs())
    speed = statistics.median(record.images_per_second for record in records[1:])
    return Measured(speed, records[-1].val_accuracy)


def ours_fast(images: int) -> Measured:
    return ours(images, "fast")


def keras_fit(images: int, as_dataset: bool = False) -> Measured:
    import keras

    from fashion_dropout.learning.model import build_network

    pixels, labels, test_pixels, test_labels = real_images(images)
    network = build_network(0.5, 0)
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    clock = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.append(time.perf_counter())

        def on_epoch_end(self, epoch, logs=None):
            clock[-1] = images / (time.perf_counter() - clock[-1])

    options = {"epochs": EPOCHS, "verbose": 0, "callbacks": [Clock()]}
    if as_dataset:
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((pixels, labels)).cache()
        network.fit(data.shuffle(images).batch(BATCH).prefetch(tf.data.AUTOTUNE), **options)
    else:
        network.fit(pixels, labels, batch_size=BATCH, **options)
    _, accuracy = network.evaluate(test_pixels, test_labels, verbose=0)
    return Measured(statistics.median(clock[1:]), accuracy)


def keras_dataset(images: int) -> Measured:
    return keras_fit(images, as_dataset=True)


def pytorch(images: int, channels_last: bool = False, compiled: bool = False) -> Measured:
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    arrays = real_images(images)
    pixels, labels, test_pixels, test_labels = (torch.from_numpy(array) for array in arrays)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pixels, test_pixels = (
        part.permute(0, 3, 1, 2).contiguous(memory_format=layout) for part in (pixels, test_pixels)
    )
    network = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(1600, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    ).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    loss_of = nn.CrossEntropyLoss()
    step = torch.compile(network) if compiled else network
    speeds = []
    for _ in range(EPOCHS):
        began = time.perf_counter()
        for batch in torch.randperm(images).split(BATCH):
            optimizer.zero_grad()
            loss_of(step(pixels[batch]), labels[batch]).backward()
            optimizer.step()
        speeds.append(images / (time.perf_counter() - began))
    network.eval()
    with torch.no_grad():
        right = (network(test_pixels).argmax(1) == test_labels).float().mean().item()
    return Measured(statistics.median(speeds[1:]), right)


def pytorch_channels_last(images: int) -> Measured:
    return pytorch(images, channels_last=True)


def pytorch_compiled(images: int) -> Measured:
    return pytorch(images, channels_last=True, compiled=True)


def limit(images: int) -> Measured:
    """The images a second of which the matrix products alone would allow."""
    import tensorflow as tf

    size, speeds = 2048, []
    one = tf.random.stateless_uniform((size, size), seed=(0, 0))
    multiply = tf.function(tf.linalg.matmul)
    for _ in range(12):
        began = time.perf_counter()
        multiply(one, one).numpy()
        speeds.append(2 * size**3 / (time.perf_counter() - began) / 1e6 / MFLOP_PER_IMAGE)
    return Measured(max(speeds), float("nan"))


@dataclass(frozen=True)
class Peer:
    """Something to measure: its name, its function, what it needs, and its environment."""

    name: str
    run: Callable[[int], Measured]
    needs: str = "keras"
    environment: tuple[tuple[str, str], ...] = ()
    processes_on_two_cores: int = 1


OURS = (("TF_NUM_INTEROP_THREADS", "1"),)  # as the workers of a study have it
ONEDNN = (("TF_ENABLE_ONEDNN_OPTS", "1"),)
PEERS = {
    peer.name: peer
    for peer in (
        Peer("this program", ours, environment=OURS, processes_on_two_cores=2),
        Peer("this program, kernels=fast", ours_fast, environment=OURS, processes_on_two_cores=2),
        Peer("Keras fit, NumPy arrays", keras_fit),
        Peer("Keras fit, tf.data", keras_dataset),
        Peer("Keras fit, NumPy arrays, oneDNN on", keras_fit, environment=ONEDNN),
        Peer("PyTorch eager", pytorch, "torch"),
        Peer("PyTorch eager, channels_last", pytorch_channels_last, "torch"),
        Peer("PyTorch torch.compile, channels_last", pytorch_compiled, "torch"),
        Peer("Keras fit on JAX", keras_fit, "jax", (("KERAS_BACKEND", "jax"),)),
        Peer("limit: sgemm", limit, environment=ONEDNN),
    )
}


def measure(peer: Peer, cores: int, images: int) -> Measured | None:
    """Run a peer on one or two cores, in as many processes as it takes; None if it failed."""
    available = sorted(os.sched_getaffinity(0))[:cores]
    several = peer.processes_on_two_cores if cores > 1 else 1
    sets = [[core] for core in available] if several > 1 else [available]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--images", str(images)],
            env={
                **os.environ,
                **dict(peer.environment),
                CHILD: json.dumps([peer.name, cpus]),
                "OMP_NUM_THREADS": str(len(cpus)),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for cpus in sets
    ]
    found = []
    for process in processes:
        said, complaint = process.communicate(timeout=600)
        if process.returncode:
            print(f"failed: {peer.name}: {(complaint.splitlines() or ['?'])[-1][:150]}")
            return None
        found.append(Measured(*json.loads(said.splitlines()[-1])))
    return Measured(sum(one.speed for one in found), found[0].accuracy)


def table(results: dict[str, dict[int, list[Measured]]]) -> str:
    """Markdown: median and range of the images a second on each number of cores."""
    own = results["this program"]
    lines = [
        "| images/s: median (range) | one core | × | both cores | × | accuracy |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, by_cores in results.items():
        cells = []
        for cores in (1, 2):
            if not by_cores[cores]:
                cells += ["–", "–"]
                continue
            speeds = [one.speed for one in by_cores[cores]]
            reference = statistics.median(one.speed for one in own[cores])
            middle = statistics.median(speeds)
            cells += [
                f"{middle:,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f})",
                f"{middle / reference:.2f}",
            ]
        accuracy = [one.accuracy for one in by_cores[1]]
        shown = f"{accuracy[0]:.1%}" if accuracy and np.isfinite(accuracy[0]) else "–"
        lines.append(f"| {name} | {' | '.join(cells)} | {shown} |")
    return "\n".join(lines)


def draw(results: dict[str, dict[int, list[Measured]]], title: str, path: Path) -> None:
    """A bar for each peer and number of cores."""
    from matplotlib.figure import Figure

    names = [name for name in results if any(results[name].values())]
    figure = Figure(figsize=(8, 0.55 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots()
    for offset, cores, colour in ((-0.2, 1, "#E08214"), (0.2, 2, "#00416A")):
        middles = [
            statistics.median([one.speed for one in results[name][cores]] or [0]) for name in names
        ]
        places = np.arange(len(names)) + offset
        label = "one core" if cores == 1 else "both cores"
        bars = axes.barh(places, middles, height=0.38, color=colour, label=label)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel="training images a second, median", title=title)
    axes.legend()
    figure.savefig(path, dpi=110)


@click.command()
@click.option("--rounds", default=2, show_default=True)
@click.option("--images", default=6_400, show_default=True)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(PEERS)),
    help="May be repeated; this program is among them.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder for table and plot.")
def main(rounds: int, images: int, only: tuple[str, ...], output: Path | None) -> None:
    if child := os.environ.get(CHILD):
        name, cpus = json.loads(child)
        os.sched_setaffinity(0, cpus)
        found = PEERS[name].run(images)
        print(json.dumps([found.speed, found.accuracy]))
        return
    from fashion_dropout import provenance
    from fashion_dropout.learning.kernels import cpu_flags, instruction_set

    results: dict[str, dict[int, list[Measured]]] = {}
    wanted = {"this program", *only} if only else PEERS.keys()
    for peer in (of for name, of in PEERS.items() if name in wanted):
        if importlib.util.find_spec(peer.needs) is None:
            print(f"skipped: {peer.name}: {peer.needs} is not installed")
        elif peer.run is ours_fast and "amx_bf16" not in cpu_flags():
            print(f"skipped: {peer.name}: this CPU has no AMX")
        else:
            results[peer.name] = {1: [], 2: []}
    for number in range(1, rounds + 1):
        for name, by_cores in results.items():
            for cores in (1, 2):
                if found := measure(PEERS[name], cores, images):
                    by_cores[cores].append(found)
                    print(
                        f"round {number}, {cores} core(s), {name}: {found.speed:,.0f}", flush=True
                    )
    machine = f"{provenance.cpu()}, {instruction_set(cpu_flags())}"
    said = table(results)
    print(f"\n{machine}\n\n{said}")
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / "peers.md").write_text(f"# {machine}\n\n{said}\n", encoding="utf-8")
        draw(results, machine, output / "peers.png")


if __name__ == "__main__":
    main()
