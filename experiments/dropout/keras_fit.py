"""Fashion-MNIST without dropout and with it, in plain Keras: one run of each, and their curves.

    uv run python experiments/dropout/keras_fit.py
    uv run python experiments/dropout/keras_fit.py --images 2000 --epochs 2

docs/keras-fit.md says what `fashion-dropout train` does differently, line by line.
"""

import argparse
import gzip
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

DATA = Path(__file__).resolve().parents[2] / "data/fashion-mnist"


def load(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 (n, 28, 28, 1) in [0, 1], and labels, uint8 (n,), of "train" or "t10k"."""
    with gzip.open(DATA / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(DATA / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype(np.float32) / 255, labels


def build(dropout: float) -> keras.Model:
    """The network of the README."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def main() -> None:
    """Train both, say how they do on the test images, and draw their losses."""
    parser = argparse.ArgumentParser(description="Dropout on Fashion-MNIST, with Keras fit")
    parser.add_argument("--images", type=int, default=60_000, help="at most, of each part")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", default="keras_fit.png")
    given = parser.parse_args()

    images, labels = (array[: given.images] for array in load("train"))
    test = [array[: given.images] for array in load("t10k")]
    axes = plt.figure(layout="constrained").subplots()
    for name, dropout, colour in (("no dropout", 0.0, "C1"), ("dropout", 0.5, "C0")):
        keras.utils.set_random_seed(0)
        network = build(dropout)
        network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = network.fit(
            images, labels, batch_size=64, epochs=given.epochs, validation_split=1 / 12, verbose=2
        ).history
        loss, accuracy = network.evaluate(*test, verbose=0)
        print(f"{name}: test loss {loss:.4f}, test accuracy {accuracy:.4f}")
        epochs = range(1, given.epochs + 1)
        axes.plot(epochs, history["loss"], colour, label=f"{name}, training")
        axes.plot(epochs, history["val_loss"], f"{colour}--", label=f"{name}, validation")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    plt.savefig(given.output)
    print(f"wrote {given.output}")


if __name__ == "__main__":
    main()
